"""The recording of a session, as a room around its room: all media passes here.

Nothing is written before the user has consented, be it to the app that started the session or on
the page, by the RTVI client-message ``recording-consent`` with ``{"granted": true}``. Refusing,
also later on, removes what was written; the call goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import cast

from visavis.conversation.spec import SessionSpec
from visavis.conversation.streams import closing
from visavis.events import EndReason, RecordingConsent, RecordingStopped, SessionEvent
from visavis.media import AudioChunk, EncodedVideo, Pcm
from visavis.records.recorder import Recorder
from visavis.records.recorder_capture import Kind
from visavis.rooms import rtvi
from visavis.rooms.base import KeyFrameRequest, RateUpdate, Room
from visavis.rooms.rtvi import RtviError, RtviMessage

CONSENT = "recording-consent"
MAX_STARTS = 10
"""How often the user may change their mind; refusing is always possible."""


class RecordedRoom:
    """``async with RecordedRoom(…) as room`` around the conversation; the room inside stays its
    owner's, to close.

    ``request_keyframe`` is called (from any thread) when the recording can go on with a key frame
    only: at its beginning, and after a picture was lost.
    """

    def __init__(self, room: Room, spec: SessionSpec, emit: Callable[[SessionEvent], None]) -> None:
        self._room = room
        self._path = Path(spec.recording_path) if spec.recording_path else None
        self._asked_before = spec.recording_consent
        self._emit = emit
        self._granted: bool | None = None
        self._recorder: Recorder | None = None
        self._awaits_key = True
        self._starts = 0
        self._user_draws = False
        self.request_keyframe: Callable[[], None] = lambda: None

    async def __aenter__(self) -> "RecordedRoom":
        if self._path and self._asked_before:
            await self._take_answer(True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder:
            captured = await asyncio.to_thread(recorder.close)
            self._emit(RecordingStopped(captured.duration_ms, captured.size_bytes))

    async def _take_answer(self, granted: bool) -> None:
        """The user's word on being recorded; the last one counts."""
        if self._path is None or granted == self._granted or self._starts + granted > MAX_STARTS:
            return
        self._granted = granted
        self._emit(RecordingConsent(granted))
        recorder, self._recorder = self._recorder, None
        if recorder:
            await asyncio.to_thread(recorder.discard)
        if granted:
            self._starts += 1
            self._awaits_key = True
            self._recorder = Recorder(self._path)
            self._recorder.start()
            self.request_keyframe()

    # -- what passes through

    def push_audio(self, pcm: Pcm, capture_us: int) -> None:
        self._room.push_audio(pcm, capture_us)
        recorder = self._recorder
        if recorder and pcm.any():
            recorder.write(Kind.AGENT_SOUND, capture_us, pcm.tobytes())

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        if not self._user_draws:
            self._room.push_video(packet, capture_us)
        recorder = self._recorder
        if recorder is None or (self._awaits_key and not packet.keyframe):
            return
        kind = Kind.KEY_PICTURE if packet.keyframe else Kind.PICTURE
        self._awaits_key = not recorder.write(kind, capture_us, packet.data)
        if self._awaits_key:
            self.request_keyframe()

    def push_pose(self, data: bytes) -> bool:
        """Where the user draws, the picture is needed for the recording only."""
        drew, self._user_draws = self._user_draws, self._room.push_pose(data)
        if drew and not self._user_draws:
            self.request_keyframe()  # the room was sent no pictures that one could go on from
        return self._user_draws and self._recorder is None

    async def audio_in(self) -> AsyncIterator[AudioChunk]:
        async with closing(self._room.audio_in()) as sound:
            async for chunk in sound:
                recorder = self._recorder
                if recorder and chunk.pcm.any():
                    recorder.write(Kind.USER_SOUND, chunk.capture_us, chunk.pcm.tobytes())
                yield chunk

    async def messages(self) -> AsyncIterator[RtviMessage]:
        """All messages but the answers to the question of recording, which end here."""
        async with closing(self._room.messages()) as messages:
            async for message in messages:
                if message.type == "client-message" and message.data.get("t") == CONSENT:
                    await self._room.send(await self._answer(message))
                else:
                    yield message

    async def _answer(self, message: RtviMessage) -> RtviMessage:
        try:
            granted = _granted(message)
        except RtviError as error:
            return rtvi.error_response(error.message, in_reply_to=message.id)
        await self._take_answer(granted)
        result = {"granted": granted, "recording": self._recorder is not None}
        return rtvi.server_response(rtvi.ClientMessage(message.id, CONSENT, None), result)

    async def connect(self) -> None:
        await self._room.connect()

    def feedback(self) -> AsyncIterator[KeyFrameRequest | RateUpdate]:
        return self._room.feedback()

    async def send(self, message: RtviMessage) -> None:
        await self._room.send(message)

    async def departed(self) -> EndReason:
        return await self._room.departed()

    async def close(self) -> None:
        await self._room.close()


def _granted(message: RtviMessage) -> bool:
    """The user's answer. Raises ``RtviError`` when it is neither yes nor no."""
    payload = message.data.get("d")
    granted = cast(dict[str, object], payload).get("granted") if isinstance(payload, dict) else None
    if not isinstance(granted, bool):
        raise RtviError("malformed_message", f'{CONSENT} needs "d": {{"granted": true or false}}.')
    return granted
