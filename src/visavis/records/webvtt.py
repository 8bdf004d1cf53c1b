"""Captions of both sides as WebVTT (W3C), timed from the start of the conversation."""

from collections.abc import Iterator, Sequence

from visavis.records.transcript import Utterance

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
    """Split where a cue grows too long, at the moment its next word became audible."""
    if not utterance.words:
        yield utterance.start_ms, utterance.end_ms, utterance.text
        return
    start_ms, texts = utterance.start_ms, list[str]()
    for word in utterance.words:
        if texts and sum(map(len, texts)) + len(texts) + len(word.text) > CUE_CHARS:
            yield start_ms, max(word.at_ms, start_ms + 1), " ".join(texts)
            start_ms, texts = word.at_ms, []
        if word.text:
            texts.append(word.text)
    if texts:
        yield start_ms, max(utterance.end_ms, start_ms + 1), " ".join(texts)


def _timestamp(ms: int) -> str:
    seconds, milliseconds = divmod(max(ms, 0), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def _escape(text: str) -> str:
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
