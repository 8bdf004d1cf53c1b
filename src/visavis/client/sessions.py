"""Sessions: ``/v1/start-agent-session`` and ``/v1/session``."""

import base64
from datetime import UTC, datetime
from typing import Literal

from visavis.agents.schema import Metadata
from visavis.api.page import Page
from visavis.api.sessions import (
    CommandAccepted,
    ContextRequest,
    EchoRequest,
    EventPage,
    RespondRequest,
    SayRequest,
    SessionPatch,
    SessionSummary,
    SessionView,
    Transcript,
)
from visavis.api.start import StartRequest, StartResponse
from visavis.client.call import Call, Decoder, Download, into, nothing, segment, text
from visavis.client.operation import Resource, S, iterating, operation, streaming
from visavis.client.sse import SseParser
from visavis.events import EndReason, EventRecord

_END_S = 30.0


class Sessions(Resource[S]):
    """Conversations: reserved, running and past."""

    @operation
    def start(
        self,
        agent_id: str,
        *,
        metadata: Metadata | None = None,
        context: str = "",
        callback_url: str | None = None,
        recording_consent: bool = False,
    ) -> Call[StartResponse]:
        """Reserve a session. Nothing runs until someone joins its room with the token."""
        body = StartRequest(
            agentId=agent_id,
            metadata=metadata or {},
            context=context,
            callback_url=callback_url,
            recording_consent=recording_consent,
        )
        return Call("POST", "/v1/start-agent-session", into(StartResponse), body)

    @operation
    def get(self, session_id: str) -> Call[SessionView]:
        """The session's record: states, turns, tool calls, figures."""
        return Call("GET", _path(session_id), into(SessionView))

    @operation
    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        agent_id: str | None = None,
        status: Literal["active", "ended"] | None = None,
        end_reason: EndReason | None = None,
        metadata: tuple[str, str] | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
    ) -> Call[Page[SessionSummary]]:
        """One page, newest first. ``metadata``: a key and the text that it must have."""
        call = _list(agent_id, status, end_reason, metadata, from_, to)
        return call.with_query(limit=limit, cursor=cursor)

    @iterating
    def iterate(
        self,
        *,
        agent_id: str | None = None,
        status: Literal["active", "ended"] | None = None,
        end_reason: EndReason | None = None,
        metadata: tuple[str, str] | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
    ) -> Call[Page[SessionSummary]]:
        """All sessions that fit, newest first."""
        return _list(agent_id, status, end_reason, metadata, from_, to).with_query(limit=100)

    @operation
    def end(self, session_id: str) -> Call[SessionView]:
        """End the session; its final record."""
        path = f"{_path(session_id)}/end"
        return Call("POST", path, into(SessionView), timeout_s=_END_S)

    @operation
    def delete(self, session_id: str) -> Call[None]:
        """Delete everything that is kept of an ended session."""
        return Call("DELETE", _path(session_id), nothing)

    @operation
    def update(self, session_id: str, patch: SessionPatch) -> Call[SessionView]:
        """Change a session that has not ended, from its next turn on."""
        return Call("PATCH", _path(session_id), into(SessionView), patch)

    @operation
    def say(self, session_id: str, words: str, *, interrupt: bool = True) -> Call[CommandAccepted]:
        """The agent says exactly this, and remembers it as its own words."""
        return _command(session_id, "say", SayRequest(text=words, interrupt=interrupt))

    @operation
    def echo(
        self,
        session_id: str,
        words: str | None = None,
        *,
        audio: bytes | None = None,
        sample_rate: int = 24_000,
        interrupt: bool = True,
    ) -> Call[CommandAccepted]:
        """The agent speaks a text, or lip-syncs sound (mono, signed 16 bit, at most 3.7 s)."""
        body = EchoRequest(
            text=words,
            audio=None if audio is None else base64.b64encode(audio).decode(),
            sample_rate=sample_rate,
            interrupt=interrupt,
        )
        return _command(session_id, "echo", body)

    @operation
    def respond(self, session_id: str, words: str) -> Call[CommandAccepted]:
        """The agent answers this, as if the user had typed it."""
        return _command(session_id, "respond", RespondRequest(text=words))

    @operation
    def add_context(
        self, session_id: str, words: str, *, role: Literal["system", "user"] = "system"
    ) -> Call[CommandAccepted]:
        """The agent knows this from now on, and says nothing to it."""
        return _command(session_id, "context", ContextRequest(text=words, role=role))

    @operation
    def interrupt(self, session_id: str) -> Call[CommandAccepted]:
        """The agent is silent at once."""
        return _command(session_id, "interrupt", None)

    @operation
    def transcript(self, session_id: str) -> Call[Transcript]:
        """What was said so far, line by line."""
        path = f"{_path(session_id)}/transcript"
        return Call("GET", path, into(Transcript), query={"format": "json"})

    @operation
    def transcript_text(self, session_id: str, format: Literal["vtt", "txt"]) -> Call[str]:
        """What was said so far, as captions (WebVTT) or plain text."""
        return Call("GET", f"{_path(session_id)}/transcript", text, query={"format": format})

    @streaming
    def events(self, session_id: str, *, after: int = -1) -> Download[EventRecord]:
        """The event log behind ``after``, then live until the session ends.

        ``Unreachable`` when the connection breaks: ask again with the last ``seq`` that came.
        """
        return Download(
            f"{_path(session_id)}/events",
            _event_decoder,
            {"after": after},
            accept="text/event-stream",
        )

    @operation
    def event_page(self, session_id: str, *, after: int = -1, limit: int = 1000) -> Call[EventPage]:
        """The events so far, without waiting for more."""
        query = {"format": "json", "after": after, "limit": limit}
        return Call("GET", f"{_path(session_id)}/events", into(EventPage), query=query)

    @streaming
    def recording(self, session_id: str) -> Download[bytes]:
        """The recording, an MP4 file, piece by piece."""
        return Download(f"{_path(session_id)}/recording", _as_it_comes, accept="video/mp4")


def _list(
    agent_id: str | None,
    status: str | None,
    end_reason: EndReason | None,
    metadata: tuple[str, str] | None,
    from_: datetime | None,
    to: datetime | None,
) -> Call[Page[SessionSummary]]:
    query = {
        "agent_id": agent_id,
        "status": status,
        "end_reason": end_reason,
        "metadata": None if metadata is None else f"{metadata[0]}:{metadata[1]}",
        "from": None if from_ is None else from_.astimezone(UTC).isoformat(),
        "to": None if to is None else to.astimezone(UTC).isoformat(),
    }
    return Call("GET", "/v1/session", into(Page[SessionSummary]), query=query)


def _command(
    session_id: str,
    name: str,
    body: SayRequest | EchoRequest | RespondRequest | ContextRequest | None,
) -> Call[CommandAccepted]:
    return Call("POST", f"{_path(session_id)}/{name}", into(CommandAccepted), body)


def _event_decoder() -> Decoder[EventRecord]:
    parser = SseParser()
    return lambda piece: [EventRecord.model_validate_json(sent.data) for sent in parser.feed(piece)]


def _as_it_comes() -> Decoder[bytes]:
    return lambda piece: (piece,)


def _path(session_id: str) -> str:
    return f"/v1/session/{segment(session_id)}"
