"""Emotion tags in a text, ``[happy]`` or ``[sad:0.5]``: found, taken out, and placed in time."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from visavis.media import Emotion, EmotionTime, SpeechChunk

_USUAL = 0.7
"""How strongly a face shows what comes without a number."""
_AT_LAST_S = 0.25
"""A tag after the last word is felt from so long before the end: later, nobody would see it."""

_NAMES: dict[Emotion, dict[str, float]] = {
    "neutral": dict.fromkeys(("neutral", "calm"), _USUAL),
    "happy": {
        **dict.fromkeys(("happy", "joy", "joyful", "cheerful", "warm", "warmly"), _USUAL),
        **dict.fromkeys(("smile", "smiles", "smiling", "friendly"), 0.5),
        **dict.fromkeys(("grin", "grins", "chuckle", "chuckles", "giggle", "giggles"), 0.8),
        **dict.fromkeys(("laugh", "laughs", "laughing", "laughter", "excited"), 1.0),
    },
    "sad": {
        **dict.fromkeys(("sad", "sadly", "sorry", "disappointed"), _USUAL),
        **dict.fromkeys(("sigh", "sighs"), 0.4),
    },
    "surprised": {
        **dict.fromkeys(("surprised", "surprise", "amazed"), _USUAL),
        **dict.fromkeys(("shocked", "gasp", "gasps"), 1.0),
    },
    "concerned": dict.fromkeys(
        ("concerned", "worried", "sympathetic", "empathetic", "angry", "annoyed"), _USUAL
    ),
    "thoughtful": dict.fromkeys(
        ("thoughtful", "thinking", "curious", "confused", "serious"), _USUAL
    ),
}
TAGS: dict[str, tuple[Emotion, float]] = {
    name: (emotion, strength)
    for emotion, names in _NAMES.items()
    for name, strength in names.items()
}
"""What may stand in brackets, and what the face makes of it."""

_STRENGTH = r"(?:\s*:\s*(\d{0,3}(?:\.\d{0,4})?)(%?))?"
# "[happy](https://…)" is a link
_TAG = re.compile(rf"\[\s*({'|'.join(TAGS)}){_STRENGTH}\s*\](?!\()", re.IGNORECASE)
_PERHAPS = re.compile(r"\[\s*[A-Za-z]{0,14}\s*(?::\s*[\d.]{0,8}%?\s*)?\]?$")
"""What may yet become a tag when more is written; a finished one may yet become a link."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A feeling that begins with word number ``word`` of its clause, counted from 0."""

    emotion: Emotion
    intensity: float
    word: int = 0


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of what is to be said. ``text`` is empty where only a feeling is left to show."""

    text: str
    cues: tuple[Cue, ...] = ()


def replace_tags(text: str, by: Callable[[Cue], str], *, finished: bool = True) -> str:
    """``text``, tags replaced. Not ``finished``: a tag at its end waits for what follows."""

    def told(match: re.Match[str]) -> str:
        if not finished and match.end() == len(text):
            return match[0]
        emotion, strength = TAGS[match[1].lower()]
        return by(Cue(emotion, _number(match[2], match[3], strength)))

    return _TAG.sub(told, text)


def untagged(text: str) -> str:
    """``text`` without its tags."""
    return replace_tags(text, lambda _: " ")


def settled(text: str) -> int:
    """How much of ``text``, still being written, cannot become part of a tag any more."""
    match = _PERHAPS.search(text)
    return match.start() if match else len(text)


def _number(digits: str | None, percent: str | None, usual: float) -> float:
    if not digits or digits == ".":
        return usual
    return min(1.0, float(digits) / (100 if percent else 1))


class Script:
    """What one turn says, and where in it feelings stand; finds their time in its sound."""

    def __init__(self) -> None:
        self._text = ""
        self._spoken = 0
        self._cues: deque[tuple[int, Cue]] = deque()

    def add(self, clause: Clause) -> None:
        """The next clause is on its way to the voice."""
        words = clause.text.split()
        for cue in clause.cues:
            before = sum(len(word) + 1 for word in words[: cue.word])
            self._cues.append((len(self._text) + before, cue))
        self._text += "".join(word + " " for word in words)

    def place(self, chunk: SpeechChunk) -> SpeechChunk:
        """The next sound, with the feelings that begin in it.

        A voice may speak a clause in several chunks, and write numbers out: the place in the text
        is found anew with every chunk, so that no error adds up.
        """
        said = " ".join(chunk.text.split())
        if not said:
            return chunk
        found = self._text.find(said, self._spoken)
        start = self._spoken if found < 0 else found
        self._spoken = min(len(self._text), start + len(said) + 1)
        emotions: list[EmotionTime] = []
        while self._cues and self._cues[0][0] < self._spoken:
            offset, cue = self._cues.popleft()
            word = len(self._text[start:offset].split())
            at_s = chunk.words[word].start_s if word < len(chunk.words) else chunk.duration_s
            emotions.append(EmotionTime(cue.emotion, cue.intensity, at_s))
        return replace(chunk, emotions=tuple(emotions)) if emotions else chunk

    def rest(self) -> tuple[EmotionTime, ...]:
        """What stood after the last word, in seconds from the end of all sound."""
        left = tuple(EmotionTime(cue.emotion, cue.intensity, -_AT_LAST_S) for _, cue in self._cues)
        self._cues.clear()
        return left
