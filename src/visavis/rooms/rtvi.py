"""RTVI, the wire protocol on the data channel (Pipecat's client standard, version 2.2).

Every message is a JSON object ``{label, type, id, data}``. ``encode`` and ``decode`` know the
envelope, the constructors below make what we say, ``request`` reads what a client asks.
"""

import json
import uuid
from dataclasses import dataclass, field
from typing import cast

RTVI_LABEL = "rtvi-ai"
RTVI_VERSION = "2.2.0"
MAX_MESSAGE_BYTES = 64 * 1024
_MAX_TYPE_CHARS = 64


class RtviError(Exception):
    """What came over the data channel is no RTVI message. ``code`` is stable.

    Codes: ``message_too_large``, ``malformed_message``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class RtviMessage:
    type: str
    data: dict[str, object] = field(default_factory=dict[str, object])
    id: str = ""


# -- the envelope


def encode(message: RtviMessage) -> str:
    """The message as JSON text; an empty id is replaced by a fresh one."""
    return json.dumps(
        {
            "label": RTVI_LABEL,
            "type": message.type,
            "id": message.id or uuid.uuid4().hex[:8],
            "data": message.data,
        },
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    )


def decode(text: str) -> RtviMessage:
    """Read one message. Raises ``RtviError`` for anything else than a well-formed RTVI object."""
    return from_object(parse_json(text))


def parse_json(text: str) -> dict[str, object]:
    """The JSON object in ``text``, bounded in size. Raises ``RtviError``."""
    # A character is at least one byte, so the cheap test comes first.
    if len(text) > MAX_MESSAGE_BYTES or len(text.encode(errors="replace")) > MAX_MESSAGE_BYTES:
        raise RtviError("message_too_large", f"A message may have {MAX_MESSAGE_BYTES} bytes.")
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # refuses halves of surrogate pairs
    except (ValueError, RecursionError) as error:
        raise RtviError("malformed_message", "A message must be JSON.") from error
    if not isinstance(value, dict):
        raise RtviError("malformed_message", "A message must be a JSON object.")
    return cast(dict[str, object], value)


def from_object(value: dict[str, object]) -> RtviMessage:
    """The message in a parsed JSON object. Raises ``RtviError``."""
    kind, identity, data = value.get("type"), value.get("id", ""), value.get("data")
    if value.get("label") != RTVI_LABEL:
        raise RtviError("malformed_message", f'A message must have the label "{RTVI_LABEL}".')
    if not isinstance(kind, str) or not 0 < len(kind) <= _MAX_TYPE_CHARS:
        raise RtviError("malformed_message", "A message must have a type.")
    if not isinstance(identity, str | int):
        raise RtviError("malformed_message", "A message's id must be a string.")
    if data is not None and not isinstance(data, dict):
        raise RtviError("malformed_message", "A message's data must be an object.")
    return RtviMessage(kind, cast(dict[str, object], data or {}), str(identity))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# -- what clients ask


@dataclass(frozen=True, slots=True)
class ClientReady:
    version: str
    library: str


@dataclass(frozen=True, slots=True)
class SendText:
    """Typed input. ``run_immediately`` interrupts the agent, ``audio_response`` wants a voice."""

    content: str
    run_immediately: bool = True
    audio_response: bool = True


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop talking. RTVI 2.2 has no such type, so ``client-message`` with ``t: interrupt`` does."""


@dataclass(frozen=True, slots=True)
class DisconnectBot:
    pass


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """An application's own message; answered by ``server-response`` with the same ``id``."""

    id: str
    kind: str
    payload: object


@dataclass(frozen=True, slots=True)
class FunctionCallResult:
    """The client has run a function that it was asked to."""

    call_id: str
    result: object


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A type that we do not serve; answered by ``error-response``."""

    type: str


Request = (
    ClientReady
    | SendText
    | Interrupt
    | DisconnectBot
    | ClientMessage
    | FunctionCallResult
    | Unsupported
)


def request(message: RtviMessage) -> Request:
    """What a client's message asks for. Raises ``RtviError("malformed_message")``."""
    data = message.data
    match message.type:
        case "client-ready":
            about = data.get("about")
            library = cast(dict[str, object], about).get("library") if _is_dict(about) else ""
            return ClientReady(str(data.get("version", "")), str(library or ""))
        case "send-text":
            return _send_text(data)
        case "append-to-context":
            return _append(data)
        case "interrupt":
            return Interrupt()
        case "disconnect-bot":
            return DisconnectBot()
        case "client-message":
            kind = data.get("t")
            if not isinstance(kind, str):
                raise RtviError("malformed_message", 'A client-message needs a string "t".')
            if kind == "interrupt":
                return Interrupt()
            return ClientMessage(message.id, kind, data.get("d"))
        case "llm-function-call-result":
            call_id = data.get("tool_call_id")
            if not isinstance(call_id, str) or "result" not in data:
                problem = 'llm-function-call-result needs "tool_call_id" and "result".'
                raise RtviError("malformed_message", problem)
            return FunctionCallResult(call_id, data["result"])
        case other:
            return Unsupported(other)


def _send_text(data: dict[str, object]) -> SendText:
    content: object = data.get("content")
    options: object = data.get("options") or {}
    if not isinstance(content, str) or not content.strip():
        raise RtviError("malformed_message", 'send-text needs a non-empty string "content".')
    if not isinstance(options, dict):
        raise RtviError("malformed_message", 'send-text "options" must be an object.')
    flags = cast(dict[str, object], options)
    return SendText(
        content,
        run_immediately=flags.get("run_immediately") is not False,
        audio_response=flags.get("audio_response") is not False,
    )


def _append(data: dict[str, object]) -> SendText:
    """RTVI 1's way to tell something; users speak for users only, never for the system."""
    content: object = data.get("content")
    if data.get("role", "user") != "user" or not isinstance(content, str) or not content.strip():
        problem = 'append-to-context needs the role "user" and a non-empty string "content".'
        raise RtviError("malformed_message", problem)
    return SendText(content, run_immediately=data.get("run_immediately") is True)


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


# -- what we say


def bot_ready(about: dict[str, object], *, in_reply_to: str = "") -> RtviMessage:
    """We are listening; ends the client's connect(). ``in_reply_to`` is client-ready's id."""
    return RtviMessage("bot-ready", {"version": RTVI_VERSION, "about": about}, in_reply_to)


def user_started_speaking() -> RtviMessage:
    return RtviMessage("user-started-speaking")


def user_stopped_speaking() -> RtviMessage:
    return RtviMessage("user-stopped-speaking")


def bot_started_speaking() -> RtviMessage:
    return RtviMessage("bot-started-speaking")


def bot_stopped_speaking() -> RtviMessage:
    return RtviMessage("bot-stopped-speaking")


def user_transcription(text: str, *, final: bool, timestamp: str, user_id: str) -> RtviMessage:
    """What the user said; ``timestamp`` is ISO 8601."""
    return RtviMessage(
        "user-transcription",
        {"text": text, "final": final, "timestamp": timestamp, "user_id": user_id},
    )


def bot_output(
    text: str, *, spoken: bool, aggregated_by: str, segment_id: int | None = None
) -> RtviMessage:
    """What the agent says: ``spoken`` means that the words have been heard.

    Protocol 2 clients read ``spoken_status``, those of 1.x ``spoken``; both are sent.
    """
    data: dict[str, object] = {
        "text": text,
        "aggregated_by": aggregated_by,
        "spoken": spoken,
        "will_be_spoken": True,
        "spoken_status": "completed" if spoken else "new",
    }
    if segment_id is not None:
        data["segment_id"] = segment_id
    return RtviMessage("bot-output", data)


def bot_transcription(text: str) -> RtviMessage:
    """A sentence of the agent, for clients older than ``bot-output``."""
    return RtviMessage("bot-transcription", {"text": text})


def bot_llm_text(text: str) -> RtviMessage:
    return RtviMessage("bot-llm-text", {"text": text})


def bot_tts_text(text: str) -> RtviMessage:
    return RtviMessage("bot-tts-text", {"text": text})


def function_call_started(name: str) -> RtviMessage:
    """The agent calls a tool."""
    return RtviMessage("llm-function-call-started", {"function_name": name})


def function_call_in_progress(call_id: str) -> RtviMessage:
    """The call runs. Without a name: that would ask the client to run it."""
    return RtviMessage("llm-function-call-in-progress", {"tool_call_id": call_id})


def function_call(call_id: str, name: str, arguments: dict[str, object]) -> RtviMessage:
    """Asks the client to run a function; answered by ``llm-function-call-result``."""
    data: dict[str, object] = {"tool_call_id": call_id}
    return RtviMessage(
        "llm-function-call-in-progress", {**data, "function_name": name, "arguments": arguments}
    )


def function_call_stopped(call_id: str, name: str, *, cancelled: bool) -> RtviMessage:
    """The call is over. Results stay here: what a tool answers is not the client's to see."""
    return RtviMessage(
        "llm-function-call-stopped",
        {"tool_call_id": call_id, "function_name": name, "cancelled": cancelled},
    )


def server_message(data: dict[str, object]) -> RtviMessage:
    """Something of our own (a state, a latency breakdown) for clients that know it."""
    return RtviMessage("server-message", data)


def server_response(to: ClientMessage, payload: object) -> RtviMessage:
    return RtviMessage("server-response", {"t": to.kind, "d": payload}, to.id)


def error(message: str, *, fatal: bool) -> RtviMessage:
    """Something went wrong; ``fatal`` means that the session ends."""
    return RtviMessage("error", {"error": message, "message": message, "fatal": fatal})


def error_response(message: str, *, in_reply_to: str) -> RtviMessage:
    """A client's message could not be served."""
    return RtviMessage("error-response", {"error": message, "fatal": False}, in_reply_to)


def peer_left() -> str:
    """SmallWebRTC's own farewell, outside of RTVI: the client then disconnects by itself."""
    return json.dumps({"type": "signalling", "message": {"type": "peerLeft"}})
