"""Cuts a stream of text into clauses that can be spoken, the first one as early as possible."""

import re
import unicodedata
from collections.abc import AsyncIterator

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

    def push(self, text: str) -> list[str]:
        """Add text; returns the clauses that it completed, cleaned for speech."""
        self._text = _THOUGHT.sub("", self._text + text)
        clauses: list[str] = []
        while "<think>" not in self._text and (end := self._boundary()):
            clauses += self._take(end)
        return clauses

    def flush(self) -> list[str]:
        """No more text: whatever is left."""
        if "<think>" in self._text:
            self._text = ""
        return self._take(len(self._text))

    def _take(self, end: int) -> list[str]:
        clause, self._text = spoken(self._text[:end]), self._text[end:]
        if not clause:
            return []
        self._first = False
        return [clause]

    def _boundary(self) -> int | None:
        pattern = _PAUSE if self._first else _SENTENCE
        for match in pattern.finditer(self._text):
            before = self._text[: match.end()]
            if before.strip() and not _ABBREVIATION.search(before):
                return match.end()
        return self._overlong(FIRST_MAX_WORDS if self._first else MAX_WORDS)

    def _overlong(self, most: int) -> int | None:
        words = list(re.finditer(r"\S+(?=\s)", self._text))
        if len(words) < most:
            return None
        commas = [word.end() for word in words[:most] if word.group().endswith((",", ";", ":"))]
        return commas[-1] if commas else words[most - 1].end()


async def clauses(text: AsyncIterator[str]) -> AsyncIterator[str]:
    """The clauses of a text that is still being written."""
    splitter = ClauseSplitter()
    async with closing(text):
        async for piece in text:
            for clause in splitter.push(piece):
                yield clause
    for clause in splitter.flush():
        yield clause
