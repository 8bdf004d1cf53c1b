"""What one turn is about to say, and what its words bring up, told as the playhead passes."""

from collections import deque

from visavis.avatar.speech import SpeechTrack
from visavis.media import EmotionTime, TurnSpeech


class Script:
    """One turn's speech in order: mouth shapes, feelings and the ends of phrases.

    Holds only what the playhead has not left behind. Not thread-safe.
    """

    def __init__(self) -> None:
        self.track = SpeechTrack()
        self._feelings: deque[tuple[float, EmotionTime]] = deque()
        self._phrase_ends: deque[float] = deque()

    def push(self, speech: TurnSpeech) -> None:
        self.track.push(speech)
        chunk = speech.chunk
        for emotion in chunk.emotions:
            self._feelings.append((speech.start_s + emotion.at_s, emotion))
        if len(chunk.pcm):
            spoken_s = chunk.phonemes[-1].end_s if chunk.phonemes else chunk.duration_s
            self._phrase_ends.append(speech.start_s + spoken_s)

    def feelings(self, at_s: float) -> list[tuple[float, EmotionTime]]:
        """Those that began since the last call, and when: seconds on the turn's timeline."""
        begun: list[tuple[float, EmotionTime]] = []
        while self._feelings and self._feelings[0][0] <= at_s:
            begun.append(self._feelings.popleft())
        return begun

    def phrase_ends(self, at_s: float) -> list[float]:
        """Those passed since the last call."""
        passed: list[float] = []
        while self._phrase_ends and self._phrase_ends[0] <= at_s:
            passed.append(self._phrase_ends.popleft())
        return passed
