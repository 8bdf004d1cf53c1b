import pytest

from visavis.conversation.clauses import FIRST_MAX_WORDS, MAX_WORDS, ClauseSplitter, spoken
from visavis.conversation.feelings import Clause, Cue, untagged


def cut_up(*pieces: str) -> list[Clause]:
    splitter = ClauseSplitter()
    clauses = [clause for piece in pieces for clause in splitter.push(piece)]
    return clauses + splitter.flush()


def split(*pieces: str) -> list[str]:
    return [clause.text for clause in cut_up(*pieces)]


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
    assert ClauseSplitter().push("Sure! What") == [Clause("Sure!")]


def test_first_clause_comes_before_the_next_word_is_written():
    splitter = ClauseSplitter()
    assert splitter.push("Of course I can") == []
    assert splitter.push(",") == [Clause("Of course I can,")]


def test_a_full_stop_waits_to_see_what_follows():
    splitter = ClauseSplitter()
    assert splitter.push("It is about 3.") == []
    assert splitter.push("5 metres.") == []
    assert splitter.push(" ") == [Clause("It is about 3.5 metres.")]


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


def felt(clauses: list[Clause]) -> tuple[list[str], list[tuple[str, float, int]]]:
    """All words, and every feeling with the number of the word that it stood before."""
    words: list[str] = []
    cues: list[tuple[str, float, int]] = []
    for clause in clauses:
        cues += [(cue.emotion, cue.intensity, len(words) + cue.word) for cue in clause.cues]
        words += clause.text.split()
    return words, cues


TAGGED = (
    "[happy] Hello there, nice [Surprised:0.4]to meet you! [sad: 30%] But **[concerned]** it "
    "rains.[laughs] See [1] and [the map](https://x.example) and [happy](https://y.example) "
    "[or not] [note: 3]. [THINKING] Well [neutral:1], bye! [smile]"
)
SAID = (
    "Hello there, nice to meet you! But it rains. See [1] and the map and happy "
    "[or not] [note: 3]. Well, bye!"
)
CUES = [
    ("happy", 0.7, 0),
    ("surprised", 0.4, 3),
    ("sad", 0.3, 6),
    ("concerned", 0.7, 7),
    ("happy", 1.0, 9),
    ("thoughtful", 0.7, 20),
    ("neutral", 1.0, 21),
    ("happy", 0.5, 22),
]


def test_tags_are_taken_out_and_remembered_wherever_the_stream_is_cut():
    assert felt(cut_up(TAGGED)) == (SAID.split(), CUES)
    assert felt(cut_up(*TAGGED)) == (SAID.split(), CUES)
    for at in range(len(TAGGED)):
        assert felt(cut_up(TAGGED[:at], TAGGED[at:])) == (SAID.split(), CUES), TAGGED[:at]
        assert felt(cut_up(TAGGED[:at], TAGGED[at : at + 3], TAGGED[at + 3 :])) == (
            SAID.split(),
            CUES,
        )


@pytest.mark.parametrize("text", ["Well [happy", "a [sad:0.", "[unhappy] [happyish]", "b [] [:"])
def test_what_is_no_tag_stays(text):
    assert felt(cut_up(text)) == felt(cut_up(*text)) == (text.split(), [])


def test_a_feeling_without_words_is_a_clause_without_text():
    assert cut_up("[happy]") == [Clause("", (Cue("happy", 0.7),))]
    assert cut_up("[happy:7] [sad:0] ") == [Clause("", (Cue("happy", 1.0), Cue("sad", 0.0)))]


def test_what_the_model_is_reminded_of_has_no_tags():
    text = untagged("[happy] Let me see[sad:0.2]. [Note: 1] [laughs](https://x.example)")
    assert " ".join(text.split()) == "Let me see . [Note: 1] [laughs](https://x.example)"


def test_feelings_in_thoughts_are_nobodys_business():
    assert cut_up(*"<think>[sad] no.</think>[happy] Yes.") == [Clause("Yes.", (Cue("happy", 0.7),))]


def test_a_tag_does_not_hold_up_the_first_clause():
    assert ClauseSplitter().push("Sure! [hap") == [Clause("Sure!")]
