"""The session's one media clock: what is heard and seen right now.

Every 20 ms a thread hands the room 20 ms of speech or silence; every second time a picture is
due with the same capture time. Sound is master: pictures are drawn at the position of the
sound. Speech belongs to a turn, and speech of a turn that was interrupted is never played.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from visavis.avatar.backends.base import RemoteAvatar
from visavis.avatar.base import Avatar, Phase, Playhead
from visavis.conversation.timeline import SpeechTimeline
from visavis.conversation.video import Render, VideoEncoder, VideoPump
from visavis.media import FPS, OUTPUT_TICK, TICK_MS, Pcm, TurnSpeech, now_us
from visavis.rooms.base import Room

MAX_BUFFERED_S = 8.0
TICK_US = TICK_MS * 1000
MAX_LATE_US = 3 * TICK_US
_TICKS_PER_FRAME = 1000 // TICK_MS // FPS
_AUDIBLE = 200
_MAX_HOLD = 400 // TICK_MS
"""Ticks that a turn waits for its first picture, where pictures come from elsewhere."""
_SILENCE: Pcm = np.zeros(OUTPUT_TICK, np.int16)
_FADE = np.linspace(1.0, 0.0, OUTPUT_TICK, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The first audible sample of a turn went to the room."""

    turn_id: int
    at_us: int


@dataclass(frozen=True, slots=True)
class WordHeard:
    turn_id: int
    text: str


@dataclass(frozen=True, slots=True)
class SpeechFinished:
    """All of a turn was played. Not reported for turns that were interrupted."""

    turn_id: int


PlayoutEvent = SpeechStarted | WordHeard | SpeechFinished


def next_deadline(deadline_us: int, now: int) -> int:
    """When the tick after ``deadline_us`` is due.

    A little late is made up for, so that jitter leaves no trace; after a stall the clock starts
    afresh from now: nothing is sent in a burst, and sound goes on where it stopped.
    """
    due = deadline_us + TICK_US
    return due if now - due <= MAX_LATE_US else now


class Playout:
    """``run`` drives it; all other methods but ``tick`` belong to the event loop.

    ``report`` is called on the event loop, in order, soon after each event.
    """

    def __init__(
        self,
        room: Room,
        avatar: Avatar,
        encoder: VideoEncoder,
        report: Callable[[PlayoutEvent], None],
        render: Render = "server",
        *,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._room = room
        self._avatar = avatar
        self._remote = avatar if isinstance(avatar, RemoteAvatar) else None
        self._held = 0
        self._report = report
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._space = asyncio.Event()
        self._lock = threading.Lock()
        self._timeline: SpeechTimeline | None = None
        self._forgotten = 0
        self._fading: Pcm | None = None
        self._pending: deque[PlayoutEvent] = deque()
        self._someone_waits = False
        self._audible = False
        self._starved = False
        self._base_phase = Phase.IDLE
        self._phase = Phase.IDLE
        self._user_quiet_since_us: int | None = None
        self._phase_since_us = clock()
        self._ticks = 0
        self.video = VideoPump(room, avatar, encoder, render)
        self.underruns = 0
        """How often speech ran dry within a turn."""

    async def run(self) -> None:
        """Play until cancelled. Raises what the room, the avatar or the encoder raised."""
        with ThreadPoolExecutor(2, "playout") as threads:
            drivers = [
                self._loop.run_in_executor(threads, self._drive),
                self._loop.run_in_executor(threads, self.video.run),
            ]
            try:
                await asyncio.wait(drivers, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                self._stop.set()
                self.video.stop()
                results = await asyncio.gather(*drivers, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def play(self, speech: TurnSpeech) -> None:
        """Queue speech; waits while ``MAX_BUFFERED_S`` are queued. Stale turns are ignored."""
        while self._full(speech.turn_id):
            await self._space.wait()
        with self._lock:
            timeline = self._timeline_of(speech.turn_id)
        if timeline is None:
            return
        self._avatar.push_speech(speech)
        with self._lock:
            timeline.append(speech)

    def unheard_s(self) -> float:
        """How much speech is queued, in seconds."""
        with self._lock:
            return self._timeline.buffered_s if self._timeline else 0.0

    def finish(self, turn_id: int) -> None:
        """No more speech will come for this turn; it is reported when all was heard."""
        with self._lock:
            if timeline := self._timeline_of(turn_id):
                timeline.finished = True
        if self._remote is not None:
            self._remote.end_of_speech(turn_id)

    def interrupt(self, turn_id: int) -> None:
        """Fade out and forget all speech of ``turn_id`` and older.

        When this returns, every word that was heard has been reported.
        """
        with self._lock:
            self._forgotten = max(self._forgotten, turn_id)
            if self._timeline and self._timeline.turn_id <= turn_id:
                tail = self._timeline.read(OUTPUT_TICK)
                self._fading = (_padded(tail) * _FADE).astype(np.int16)
                self._timeline = None
        self._avatar.clear(turn_id)
        self._deliver()

    def set_phase(self, phase: Phase) -> None:
        """What the agent does while it does not speak."""
        with self._lock:
            self._base_phase = phase
            self._user_quiet_since_us = None

    def user_paused(self, since_us: int) -> None:
        """The user is quiet since ``since_us``, but perhaps not done; true until the next phase."""
        with self._lock:
            self._user_quiet_since_us = since_us

    def tick(self, capture_us: int) -> None:
        """Hand over the next 20 ms. Called by one thread at a time."""
        with self._lock:
            sound, playhead = self._advance(capture_us)
            deliver = bool(self._pending) or self._someone_waits
            frame_due = self._ticks % _TICKS_PER_FRAME == 0
            self._ticks += 1
        self._room.push_audio(sound, capture_us)
        if frame_due:
            self.video.submit(playhead)
        if deliver:
            self._loop.call_soon_threadsafe(self._deliver)

    def _drive(self) -> None:
        deadline = self._clock()
        while not self._stop.wait(max(0, deadline - self._clock()) / 1e6):
            self.tick(deadline)
            deadline = next_deadline(deadline, self._clock())
        self.video.stop()

    def _advance(self, capture_us: int) -> tuple[Pcm, Playhead]:
        position_s = None
        sound, self._fading = self._fading, None
        if sound is None:
            sound, position_s = self._speech()
        timeline = self._timeline
        phase = Phase.SPEAKING if timeline and timeline.started else self._base_phase
        if phase is not self._phase:
            self._phase, self._phase_since_us = phase, capture_us
        turn_id = timeline.turn_id if timeline else self._forgotten
        quiet_us = self._user_quiet_since_us
        since_us = self._phase_since_us
        return sound, Playhead(capture_us, phase, since_us, turn_id, position_s, quiet_us)

    def _speech(self) -> tuple[Pcm, float | None]:
        """The next tick of the turn being spoken, and its position (None in silence)."""
        timeline = self._timeline
        if timeline is None or self._awaits_face(timeline):
            return _SILENCE, None
        position_s = timeline.position_s
        sound = timeline.read(OUTPUT_TICK)
        starving = timeline.started and not len(sound) and not timeline.finished
        self.underruns += starving and not self._starved
        self._starved = starving
        self._note(timeline, sound)
        return _padded(sound), position_s if len(sound) else None

    def _awaits_face(self, timeline: SpeechTimeline) -> bool:
        """Whether the turn's sound has to wait for the turn's first picture, a moment at most."""
        if self._remote is None or timeline.started or not timeline.buffered_s:
            return False
        self._held += 1
        return self._held <= _MAX_HOLD and not self._remote.ready(timeline.turn_id)

    def _note(self, timeline: SpeechTimeline, sound: Pcm) -> None:
        turn_id = timeline.turn_id
        if not self._audible and len(sound) and max(sound.max(), -int(sound.min())) >= _AUDIBLE:
            self._audible = True
            self._pending.append(SpeechStarted(turn_id, self._clock()))
        self._pending.extend(WordHeard(turn_id, word) for word in timeline.newly_heard())
        if timeline.finished and not timeline.buffered_s:
            self._pending.append(SpeechFinished(turn_id))
            self._forgotten = max(self._forgotten, turn_id)
            self._timeline = None

    def _timeline_of(self, turn_id: int) -> SpeechTimeline | None:
        """This turn's timeline, replacing an older turn's; None if the turn is over."""
        if turn_id <= self._forgotten:
            return None
        if self._timeline is None or self._timeline.turn_id < turn_id:
            self._timeline = SpeechTimeline(turn_id)
            self._forgotten = turn_id - 1
            self._audible = self._starved = False
            self._held = 0
        return self._timeline

    def _full(self, turn_id: int) -> bool:
        with self._lock:
            timeline = self._timeline_of(turn_id)
            full = timeline is not None and timeline.buffered_s >= MAX_BUFFERED_S
            self._someone_waits = full
            if full:
                self._space.clear()
        return full

    def _deliver(self) -> None:
        with self._lock:
            pending = list(self._pending)
            self._pending.clear()
            timeline = self._timeline
            if timeline is None or timeline.buffered_s < MAX_BUFFERED_S:
                self._someone_waits = False
                self._space.set()
        for event in pending:
            if isinstance(event, SpeechFinished):
                self._avatar.clear(event.turn_id)
            self._report(event)


def _padded(sound: Pcm) -> Pcm:
    return sound if len(sound) == OUTPUT_TICK else np.pad(sound, (0, OUTPUT_TICK - len(sound)))
