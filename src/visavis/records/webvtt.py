"""Captions of both sides as WebVTT (W3C), timed from the start of the conversation."""

import math
from collections.abc import Iterator, Sequence

from visavis.records.transcript import Utterance, Word

CUE_CHARS = 80
"""Longer speech is split into cues of about two lines."""


def webvtt(utterances: Sequence[Utterance], zero_ms: int, names: dict[str, str]) -> str:
    """A WebVTT file; ``names`` maps "user" and "agent" to the voices shown."""
    blocks = ["WEBVTT"]
    for utterance in utterances:
        voice = _escape(names[utterance.speaker].replace("\n", " "))
        for start_ms, end_ms, text in _cues(utterance):
            times = f"{_timestamp(start_ms - zero_ms)} --> {_timestamp(end_ms - zero_ms)}"
            blocks.append(f"{times}\n<v {voice}>{_escape(text)}")
    return "\n\n".join(blocks) + "\n"


def _cues(utterance: Utterance) -> Iterator[tuple[int, int, str]]:
    """Split long speech into cues of like length, each from when its first word was heard."""
    words = [word for word in utterance.words if word.text]
    if not words:
        yield utterance.start_ms, utterance.end_ms, utterance.text
        return
    length = len(utterance.text) / math.ceil(len(utterance.text) / CUE_CHARS)
    cues: list[list[Word]] = [[]]
    said = 0
    for word in words:
        if cues[-1] and said + len(word.text) / 2 > length * len(cues):
            cues.append([])
        cues[-1].append(word)
        said += len(word.text) + 1
    starts = [utterance.start_ms, *(cue[0].at_ms for cue in cues[1:])]
    ends = [*starts[1:], utterance.end_ms]
    for start_ms, end_ms, cue in zip(starts, ends, cues, strict=True):
        yield start_ms, max(end_ms, start_ms + 1), " ".join(word.text for word in cue)


def _timestamp(ms: int) -> str:
    seconds, milliseconds = divmod(max(ms, 0), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def _escape(text: str) -> str:
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
