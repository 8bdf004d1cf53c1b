"""The sound that waits for a borrowed face to say it: utterances in order, in pieces worth playing.

Sound may come in scraps of 20 ms. A piece that is heard without phonemes is judged by its own
loudness, so scraps are gathered first, as long as there is time.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from visavis.media import OUTPUT_RATE, Pcm, PhonemeTime, SpeechChunk, WordTime

MAX_WAITING_S = 120.0
_FIRST_S = 0.2
_PIECE_S = 0.6
_LONGEST_S = 2.0
_GATHER_S = 0.06
"""How long a piece that is too short waits for more, each time."""


@dataclass
class _Utterance:
    resampler: av.AudioResampler
    pieces: deque[tuple[Pcm, dict[str, Any] | None]] = field(
        default_factory=deque[tuple[Pcm, dict[str, Any] | None]]
    )
    ended: bool = False
    taken_s: float = 0.0

    @property
    def waiting_s(self) -> float:
        return sum(len(pcm) for pcm, _ in self.pieces) / OUTPUT_RATE


class Backlog:
    """Utterances by number, which grows. ``rate``: Hz of the sound that comes."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._utterances: dict[int, _Utterance] = {}
        self._forgotten = 0
        self._news = asyncio.Event()
        self.said_s = 0.0
        """How long the utterance is that was taken last, as far as it was taken."""

    def add(self, number: int, pcm: Pcm, timing: dict[str, Any] | None) -> bool:
        """Queue sound; False where too much waits already."""
        if number <= self._forgotten:
            return True
        waiting_s = sum(utterance.waiting_s for utterance in self._utterances.values())
        if waiting_s + len(pcm) / self._rate > MAX_WAITING_S:
            return False
        utterance = self._utterance(number)
        sound = self._resampled(utterance, pcm)
        if len(sound):
            utterance.pieces.append((sound, timing))
        self._news.set()
        return True

    def end(self, number: int) -> None:
        if number > self._forgotten:
            utterance = self._utterance(number)
            rest = [part.to_ndarray()[0] for part in utterance.resampler.resample(None)]
            utterance.pieces.extend((part.astype(np.int16), None) for part in rest)
            utterance.ended = True
            self._news.set()

    def forget(self, number: int) -> list[int]:
        """Drop ``number`` and older; tells which there were."""
        self._forgotten = max(self._forgotten, number)
        gone = sorted(waiting for waiting in self._utterances if waiting <= number)
        for waiting in gone:
            del self._utterances[waiting]
        self._news.set()
        return gone

    async def next_utterance(self, *, after: int) -> int:
        """The number of the oldest utterance behind ``after``."""
        while not (numbers := [number for number in self._utterances if number > after]):
            await self._wait(None)
        self.said_s = 0.0
        return min(numbers)

    async def take(self, number: int) -> SpeechChunk | None:
        """The next piece of an utterance; None once it is over, or forgotten."""
        while (utterance := self._utterances.get(number)) is not None:
            enough_s = _PIECE_S if utterance.taken_s else _FIRST_S
            waiting_s = utterance.waiting_s
            timed = bool(utterance.pieces) and utterance.pieces[0][1] is not None
            if not (timed or utterance.ended or waiting_s >= enough_s):
                more = await self._wait(_GATHER_S if waiting_s else None)
                if more or not waiting_s:
                    continue
            if not utterance.pieces:
                return None
            chunk = _chunk(utterance)
            utterance.taken_s += chunk.duration_s
            self.said_s = utterance.taken_s
            return chunk
        return None

    def _utterance(self, number: int) -> _Utterance:
        if number not in self._utterances:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=OUTPUT_RATE)
            self._utterances[number] = _Utterance(resampler)
        return self._utterances[number]

    def _resampled(self, utterance: _Utterance, pcm: Pcm) -> Pcm:
        if not len(pcm):
            return pcm
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate
        parts = [part.to_ndarray()[0] for part in utterance.resampler.resample(frame)]
        return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)

    async def _wait(self, timeout_s: float | None) -> bool:
        """Whether anything happened in time."""
        self._news.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


def _chunk(utterance: _Utterance) -> SpeechChunk:
    """The first piece with its times, or those without times at the front as one, of
    ``_LONGEST_S`` at most: what has been taken does not wait here any more, and is not counted."""
    pcm, timing = utterance.pieces.popleft()
    if timing is not None:
        return SpeechChunk(
            pcm,
            OUTPUT_RATE,
            str(timing.get("text", "")),
            tuple(WordTime(*word) for word in timing.get("words", [])),
            tuple(PhonemeTime(*sound) for sound in timing.get("phonemes", [])),
        )
    parts, longest = [pcm], round(_LONGEST_S * OUTPUT_RATE)
    while sum(map(len, parts)) < longest and utterance.pieces and utterance.pieces[0][1] is None:
        parts.append(utterance.pieces.popleft()[0])
    sound = np.concatenate(parts)
    if len(sound) > longest:
        utterance.pieces.appendleft((sound[longest:], None))
    return SpeechChunk(sound[:longest], OUTPUT_RATE, "")
