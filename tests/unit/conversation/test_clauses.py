import pytest

from visavis.conversation.clauses import FIRST_MAX_WORDS, MAX_WORDS, ClauseSplitter, spoken


def split(*pieces: str) -> list[str]:
    splitter = ClauseSplitter()
    clauses = [clause for piece in pieces for clause in splitter.push(piece)]
    return clauses + splitter.flush()


def by_letter(text: str) -> list[str]:
    return split(*text)


@pytest.mark.parametrize("cut", [split, by_letter])
def test_first_clause_early_then_sentences(cut):
    text = "Sure, I can help, of course. The pool opens at nine, every day. Anything else?"
    assert cut(text) == [
        "Sure,",
        "I can help, of course.",
        "The pool opens at nine, every day.",
        "Anything else?",
    ]


def test_one_word_is_enough_to_begin_with():
    assert ClauseSplitter().push("Sure! What") == ["Sure!"]


def test_first_clause_comes_before_the_next_word_is_written():
    splitter = ClauseSplitter()
    assert splitter.push("Of course I can") == []
    assert splitter.push(",") == ["Of course I can,"]


def test_a_full_stop_waits_to_see_what_follows():
    splitter = ClauseSplitter()
    assert splitter.push("It is about 3.") == []
    assert splitter.push("5 metres.") == []
    assert splitter.push(" ") == ["It is about 3.5 metres."]


@pytest.mark.parametrize(
    "text",
    [
        "Please ask for Dr. Smith today.",
        "There are 1,000 of them here.",
        "We close at 10:30 p.m. tonight.",
        "The site is example.com for all.",
    ],
)
def test_no_cut_inside_numbers_names_and_abbreviations(text):
    assert by_letter(text) == [text]


def test_an_overlong_first_clause_is_cut():
    words = [f"w{i}" for i in range(40)]
    clauses = by_letter(" ".join(words))
    assert len(clauses[0].split()) == FIRST_MAX_WORDS
    assert " ".join(clauses).split() == words
    assert max(len(clause.split()) for clause in clauses) <= MAX_WORDS


def test_nothing_is_lost_or_doubled():
    text = "One two three, four. Five! Six? Seven; eight: nine ten eleven… twelve"
    assert " ".join(by_letter(text)) == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold** and *light* `code`", "Bold and light code"),
        ("# Title\n- first\n- second", "Title first second"),
        ("1. one\n2) two", "one two"),
        ("See [the page](https://x.example/a_b).", "See the page."),
        ("Hello 😀👍🏽 there ☀️!", "Hello there!"),
        ("<b>Bye</b> <|im_end|>now", "Bye now"),
        ("snake_case stays, _emphasis_ goes", "snake_case stays, emphasis goes"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("It is 20°C, 3 + 4 = 7, $5.", "It is 20°C, 3 + 4 = 7, $5."),
        ("- 😀", ""),
        ("...", ""),
        ("naïve café — ça va", "naïve café — ça va"),
    ],
)
def test_spoken(written, said):
    assert spoken(written) == said


def test_thoughts_are_not_spoken():
    text = "<think>Well, I must be nice. Yes!</think>Nice to meet you. Hello."
    assert by_letter(text) == ["Nice to meet you.", "Hello."]
    assert by_letter("<think>never, ever closed.") == []


def test_empty():
    assert split("") == []
    assert split("  \n ", "\n") == []
