"""The speech of one turn, on its way to the ear: what is queued, what was heard."""

from collections import deque

import numpy as np

from visavis.media import OUTPUT_RATE, Pcm, TurnSpeech


class SpeechTimeline:
    """A turn's sound in play order. Position 0 is the turn's first sample; times are seconds.

    Not thread-safe: ``Playout`` guards it.
    """

    def __init__(self, turn_id: int) -> None:
        self.turn_id = turn_id
        self.finished = False
        """No more speech will come."""
        self._pieces: deque[Pcm] = deque()
        self._words: deque[tuple[float, str]] = deque()
        self._played = 0
        self._queued = 0

    @property
    def position_s(self) -> float:
        """How much of the turn has been played."""
        return self._played / OUTPUT_RATE

    @property
    def buffered_s(self) -> float:
        return self._queued / OUTPUT_RATE

    @property
    def started(self) -> bool:
        return self._played > 0

    def append(self, speech: TurnSpeech) -> None:
        """Queue a chunk at its place; a hole before it becomes silence.

        A word counts as heard once half of it has sounded.
        """
        hole = round(speech.start_s * OUTPUT_RATE) - self._played - self._queued
        if hole > 0:
            self._queue(np.zeros(hole, np.int16))
        start_s = (self._played + self._queued) / OUTPUT_RATE
        self._queue(speech.chunk.pcm)
        self._words.extend(
            (start_s + (word.start_s + word.end_s) / 2, word.text) for word in speech.chunk.words
        )

    def read(self, samples: int) -> Pcm:
        """Play the next ``samples``, fewer if fewer are queued."""
        parts: list[Pcm] = []
        wanted = samples
        while wanted and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > wanted:
                self._pieces.appendleft(piece[wanted:])
                piece = piece[:wanted]
            parts.append(piece)
            wanted -= len(piece)
        sound = np.concatenate(parts) if parts else np.zeros(0, np.int16)
        self._played += len(sound)
        self._queued -= len(sound)
        return sound

    def newly_heard(self) -> list[str]:
        """The words that became audible since the last call."""
        heard: list[str] = []
        over = self.finished and not self._queued
        while self._words and (over or self._words[0][0] <= self.position_s):
            heard.append(self._words.popleft()[1])
        return heard

    def _queue(self, pcm: Pcm) -> None:
        if len(pcm):
            self._pieces.append(pcm)
            self._queued += len(pcm)
