import pytest

from visavis.models.speakable import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Plain words stay.", "Plain words stay."),
        ("**Bold** and *soft* and `code`", "Bold and soft and code"),
        ("# Title\n\n- one\n- two", "Title one two"),
        ("See [the menu](https://example.org/menu).", "See the menu."),
        ("Hello 👋🏽 there ❤️!", "Hello there !"),
        ("Before ```python\nprint(1)\n``` after", "Before after"),
        ("2 * 3 is 6", "2 3 is 6"),
        ("snake_case stays", "snake_case stays"),
        ("It's 5°C — really…", "It's 5°C — really…"),
        ("¿Qué? 東京", "¿Qué? 東京"),
        ("🎉", ""),
    ],
)
def test_only_what_is_for_the_ear_remains(written, said):
    assert speakable(written) == said
