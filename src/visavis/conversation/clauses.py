"""Cuts a stream of text into clauses that can be spoken, the first one as early as possible."""

import re
import unicodedata
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace

from visavis.conversation.feelings import Clause, Cue, replace_tags, settled
from visavis.conversation.streams import closing

FIRST_MAX_WORDS = 8
MAX_WORDS = 30

_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_PAUSE = re.compile(r"[,.;:!?…][\"'”’)*_]*(?=\s)|[,;:!?](?<![0-9].)$|\n")
_SENTENCE = re.compile(r"[.!?…][\"'”’)*_]*(?=\s)|\n")
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|st|vs|prof|e\.g|i\.e|no|[a-z])\.$", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z|][^<>]{0,60}>|```\w*")
_LINE_MARK = re.compile(r"(?m)^\s*(?:#{1,6}\s+|[-*•+]\s+|>\s+|\d{1,2}[.)]\s+)")
_FELT = "\x1f"
"""Stands where a tag stood. All that follows takes it for a space."""
_FELT_AT = re.compile(_FELT)
_MARKUP = re.compile(r"[*`~#|]+|(?<!\w)_+|_+(?!\w)")


def spoken(text: str) -> str:
    """``text`` as one would say it: no markdown, tags, links or pictographs."""
    text = _LINK.sub(r"\1", text)
    text = _LINE_MARK.sub("", text)
    text = _MARKUP.sub("", _TAG.sub("", text))
    text = "".join(" " if _is_pictograph(character) else character for character in text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", re.sub(r"\s+", " ", text)).strip()
    return text if any(character.isalnum() for character in text) else ""


def _is_pictograph(character: str) -> bool:
    if unicodedata.category(character) in ("So", "Sk", "Cs", "Co", "Cn"):
        return character not in "°^"
    return character in "\u200d\ufe0f\u20e3"


class ClauseSplitter:
    """Text in as it is written, clauses out as soon as they are sure."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True
        self._cues: deque[Cue] = deque()
        """Of the tags that ``_FELT`` stands for in the text, and of those before it."""
        self._unplaced = 0
        """How many of the cues come from before the text."""

    def push(self, text: str) -> list[Clause]:
        """Add text; returns the clauses that it completed, cleaned for speech."""
        self._text = _THOUGHT.sub("", self._text + text.replace(_FELT, " "))
        clauses: list[Clause] = []
        if "<think>" not in self._text:
            self._text = replace_tags(self._text, self._note, finished=False)
            while end := self._boundary(self._text[: settled(self._text)]):
                clauses += self._take(end)
        return clauses

    def flush(self) -> list[Clause]:
        """No more text: whatever is left, perhaps a feeling without words."""
        if "<think>" in self._text:
            self._text = ""
        self._text = replace_tags(self._text, self._note)
        clauses = self._take(len(self._text))
        if self._cues:
            clauses.append(Clause("", tuple(self._cues)))
            self._cues.clear()
        return clauses

    def _note(self, cue: Cue) -> str:
        self._cues.append(cue)
        return _FELT

    def _take(self, end: int) -> list[Clause]:
        written, self._text = self._text[:end], self._text[end:]
        text = spoken(written)
        before = [0] * self._unplaced
        before += [len(spoken(written[: at.start()]).split()) for at in _FELT_AT.finditer(written)]
        placed = sum(word < len(text.split()) for word in before)
        self._unplaced = len(before) - placed
        cues = tuple(replace(self._cues.popleft(), word=word) for word in before[:placed])
        if not text:
            return []
        self._first = False
        return [Clause(text, cues)]

    def _boundary(self, text: str) -> int | None:
        pattern = _PAUSE if self._first else _SENTENCE
        for match in pattern.finditer(text):
            before = text[: match.end()]
            if before.strip() and not _ABBREVIATION.search(before):
                return match.end()
        return _overlong(text, FIRST_MAX_WORDS if self._first else MAX_WORDS)


def _overlong(text: str, most: int) -> int | None:
    words = list(re.finditer(r"\S+(?=\s)", text))
    if len(words) < most:
        return None
    commas = [word.end() for word in words[:most] if word.group().endswith((",", ";", ":"))]
    return commas[-1] if commas else words[most - 1].end()


async def clauses(text: AsyncIterator[str]) -> AsyncIterator[Clause]:
    """The clauses of a text that is still being written."""
    splitter = ClauseSplitter()
    async with closing(text):
        async for piece in text:
            for clause in splitter.push(piece):
                yield clause
    for clause in splitter.flush():
        yield clause
