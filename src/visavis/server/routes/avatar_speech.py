"""One avatar stream's messages, checked, and turned into what its face understands."""

import base64
import binascii
import json
import time
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from visavis.api.avatar_stream import (
    MAX_AUDIO,
    STREAM_COMMAND,
    Feel,
    InterruptSpeech,
    KeepAlive,
    KeyFrame,
    Speak,
    SpeakEnd,
    StartListening,
    State,
    StopListening,
)
from visavis.avatar.backends import worker_kit as kit
from visavis.server.errors import Problem, from_validation
from visavis.server.gate.bodies import check_json
from visavis.sessions.borrowed_wire import Channel

RATE = 200
"""Messages a second, on average over a few seconds: sound in scraps of 20 ms makes 50."""
_BURST = 600


class Speech:
    """Utterances are numbered here; the face knows numbers, the caller event ids."""

    def __init__(self, channel: Channel, sample_rate: int) -> None:
        self._channel = channel
        self._sample_rate = sample_rate
        self._number = 0
        self._open = False
        """Whether the utterance ``_number`` may still grow."""
        self._event_ids: dict[int, str] = {}
        self._allowance, self._counted_at = float(_BURST), time.monotonic()

    def obey(self, text: str) -> None:
        """A message. Raises ``Problem``."""
        self._count()
        if len(text) > 2 * MAX_AUDIO:
            raise Problem("audio_invalid", f"A message may hold {MAX_AUDIO} bytes of sound.")
        check_json(text.encode("utf-8", "surrogatepass"))
        try:
            command = STREAM_COMMAND.validate_json(text)
        except ValidationError as error:
            raise self._named(
                from_validation(RequestValidationError(error.errors())), text
            ) from None
        try:
            self._do(command)
        except Problem as problem:
            raise self._named(problem, text) from None

    def sound(self, data: bytes) -> None:
        """A binary message: more sound for the open utterance, or for a new one."""
        self._count()
        self._say(data, self._event_ids.get(self._number) if self._open else None, None)

    def report(self, number: int, said: dict[str, Any]) -> dict[str, object] | Problem:
        """What the face says of an utterance, for the caller."""
        event_id = self._event_ids.get(number, "")
        if said["event"] == "backlog_full":
            problem = Problem("audio_backlog", "Two minutes of sound wait already; this was left.")
            problem.members["event_id"] = event_id
            return problem
        about = {"event_id": event_id, "utterance": number, "pts_us": said["pts_us"]}
        if said["event"] == "started":
            return {"type": "agent.speak_started", **about}
        self._event_ids.pop(number, None)
        if number == self._number:
            self._open = False
        ends = {"position_s": said["position_s"], "interrupted": said["interrupted"]}
        return {"type": "agent.speak_ended", **about, **ends}

    def _do(self, command: object) -> None:
        match command:
            case Speak():
                self._say(_decoded(command.audio), command.event_id, command)
            case SpeakEnd():
                self._end(command.event_id)
            case InterruptSpeech():
                self._interrupt(command.event_id)
            case StartListening():
                self._control(phase="listening")
            case StopListening():
                self._control(phase="idle")
            case State():
                self._control(phase=command.state)
            case Feel():
                self._control(emotion=command.emotion, intensity=command.intensity)
            case KeyFrame():
                self._control(keyframe=True)
            case KeepAlive() | _:
                pass

    def _say(self, data: bytes, event_id: str | None, timing: Speak | None) -> None:
        if not data or len(data) % 2:
            raise Problem("audio_invalid", "Sound is whole samples of two bytes, one at least.")
        if len(data) > MAX_AUDIO:
            raise Problem("audio_invalid", f"A message may hold {MAX_AUDIO} bytes of sound.")
        body = None
        if timing is not None and (timing.text or timing.words or timing.phonemes):
            body = timing.model_dump_json(include={"text", "words", "phonemes"}).encode()
            if len(body) > kit.MAX_JSON:
                raise Problem("invalid_request", f"Times may have {kit.MAX_JSON} bytes.")
        self._open_for(event_id)
        if body is not None:
            self._channel.send(kit.TIMING, self._number, body)
        self._channel.send(kit.AUDIO, self._number, data)

    def _open_for(self, event_id: str | None) -> None:
        """Let the sound that comes belong to ``event_id``; another utterance ends with that."""
        current = self._event_ids.get(self._number)
        if self._open and event_id in (None, current):
            return
        if self._open:
            self._channel.send(kit.END, self._number)
        self._number += 1
        self._open = True
        self._event_ids[self._number] = event_id or f"utterance-{self._number}"

    def _end(self, event_id: str | None) -> None:
        current = self._event_ids.get(self._number)
        if not self._open or event_id not in (None, current):
            raise Problem("invalid_request", "No such utterance is open.")
        self._open = False
        self._channel.send(kit.END, self._number)

    def _interrupt(self, event_id: str | None) -> None:
        number = self._number
        if event_id is not None:
            known = [number for number, name in self._event_ids.items() if name == event_id]
            if not known:
                raise Problem("invalid_request", "No such utterance is being said or waits.")
            number = known[-1]
        if number == self._number:
            self._open = False
        self._channel.send(kit.CLEAR, number)

    def _control(self, **wish: object) -> None:
        self._channel.send_json(kit.CONTROL, wish)

    def _count(self) -> None:
        """A bucket that fills with ``RATE`` a second."""
        now = time.monotonic()
        self._allowance = min(_BURST, self._allowance + (now - self._counted_at) * RATE)
        self._counted_at = now
        if self._allowance < 1:
            raise Problem("rate_limited", f"More than {RATE} messages a second.", retry_s=1)
        self._allowance -= 1

    def _named(self, problem: Problem, text: str) -> Problem:
        """With the event id of the message it is about, where that can be told."""
        try:
            said = json.loads(text)
        except ValueError:
            return problem
        if isinstance(said, dict) and isinstance(said.get("event_id"), str):  # pyright: ignore
            problem.members["event_id"] = said["event_id"][:200]  # pyright: ignore
        return problem


def _decoded(audio: str) -> bytes:
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise Problem("audio_invalid", "The sound is not base64.") from None
