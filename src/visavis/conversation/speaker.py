"""Gives a reply its voice: clauses in, speech on the turn's timeline out."""

from collections.abc import AsyncIterator
from dataclasses import replace

import av
import numpy as np

from visavis.conversation.feelings import Clause, Script
from visavis.conversation.streams import closing
from visavis.media import OUTPUT_RATE, Pcm, SpeechChunk, TurnSpeech, WordTime
from visavis.providers.base import ProviderError, TextToSpeech


class Speaker:
    def __init__(self, tts: TextToSpeech, voice: str) -> None:
        self._tts = tts
        self.voice = voice

    async def speak(
        self, turn_id: int, clauses: AsyncIterator[Clause]
    ) -> AsyncIterator[TurnSpeech]:
        """Speak clauses as they arrive, feelings in their places.

        One retry when nothing has been spoken yet.
        """
        resampler = Resampler()
        position_s = 0.0
        async with closing(clauses):
            text = _Replay(clauses)
            for last_try in (False, True):
                try:
                    async with closing(self._tts.speak(text.stream(), voice=self.voice)) as chunks:
                        async for chunk in chunks:
                            sound = text.script.place(resampler.resample(with_words(chunk)))
                            speech = TurnSpeech(turn_id, position_s, sound)
                            position_s = speech.end_s
                            yield speech
                    if position_s and (left := text.script.rest()):
                        nothing = SpeechChunk(np.zeros(0, np.int16), OUTPUT_RATE, "")
                        yield TurnSpeech(turn_id, position_s, replace(nothing, emotions=left))
                    return
                except ProviderError as error:
                    if last_try or position_s or text.failed or not error.retryable:
                        raise


class _Replay:
    """The words of clauses; they can be read once more from the start."""

    def __init__(self, clauses: AsyncIterator[Clause]) -> None:
        self._clauses = clauses
        self._taken: list[str] = []
        self.script = Script()
        self.failed = False
        """The clauses themselves could not be had: no matter of the voice."""

    async def stream(self) -> AsyncIterator[str]:
        for clause in list(self._taken):
            yield clause
        try:
            async for clause in self._clauses:
                self.script.add(clause)
                if clause.text:
                    self._taken.append(clause.text)
                    yield clause.text
        except ProviderError:
            self.failed = True
            raise


class Resampler:
    """One voice stream to ``OUTPUT_RATE``, without seams between its chunks."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=OUTPUT_RATE)

    def resample(self, chunk: SpeechChunk) -> SpeechChunk:
        if chunk.sample_rate == OUTPUT_RATE or not len(chunk.pcm):
            return replace(chunk, sample_rate=OUTPUT_RATE)
        frame = av.AudioFrame.from_ndarray(chunk.pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = chunk.sample_rate
        parts: list[Pcm] = [
            np.asarray(part.to_ndarray()[0], np.int16) for part in self._resampler.resample(frame)
        ]
        pcm = np.concatenate(parts) if parts else np.zeros(0, np.int16)
        return replace(chunk, pcm=pcm, sample_rate=OUTPUT_RATE)


def with_words(chunk: SpeechChunk) -> SpeechChunk:
    """The chunk with word times: the voice's own, else spread by length over the sound."""
    texts = chunk.text.split()
    if chunk.words or not texts:
        return chunk
    per_letter = chunk.duration_s / sum(len(text) + 1 for text in texts)
    words: list[WordTime] = []
    start_s = 0.0
    for text in texts:
        end_s = start_s + (len(text) + 1) * per_letter
        words.append(WordTime(text, start_s, end_s))
        start_s = end_s
    return replace(chunk, words=tuple(words))
