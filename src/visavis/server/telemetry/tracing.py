"""One OpenTelemetry trace per session, sent to ``VISAVIS_OTEL_ENDPOINT`` (OTLP over HTTP).

A session is a span of its life; below it lies a span per turn; below that, its stages: ``stt``,
``chat`` (the language model), ``tts``, and the tools that were called. Names and attributes
follow OpenTelemetry's conventions for generative AI. What was said stays here unless asked for.

Imported only where an endpoint is set. Spans are sent in the background and dropped while the
collector is away. ``OTEL_EXPORTER_OTLP_HEADERS`` and its kin are honoured.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from sqlalchemy.ext.asyncio import AsyncSession

import visavis
from visavis.events import (
    AgentStartedSpeaking,
    EndReason,
    EventRecord,
    SessionEnded,
    SessionError,
    SessionState,
    StateEntered,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    UserStartedSpeaking,
)
from visavis.storage import analytics as store
from visavis.storage.analytics import TracedAgent

EXPORT_S = 5
CLOSE_S = 3.0
MAX_TURNS = 16
"""Turns of a session that may be under way; noise begins turns that never complete."""

_FAILED = (EndReason.ERROR, EndReason.WORKER_LOST)

Attributes = Mapping[str, str | int | float | bool]


@dataclass(slots=True)
class _Turn:
    """What is known of a turn before it completes; times are Unix ms."""

    began_ms: int
    agent_started_ms: int | None = None
    tools: list[tuple[EventRecord, ToolCallStarted, ToolCallFinished]] = field(
        default_factory=list[tuple[EventRecord, ToolCallStarted, ToolCallFinished]]
    )


@dataclass(slots=True)
class _Trace:
    root: Span
    agent: TracedAgent
    turns: dict[int, _Turn] = field(default_factory=dict[int, _Turn])
    calls: dict[str, tuple[EventRecord, ToolCallStarted]] = field(
        default_factory=dict[str, tuple[EventRecord, ToolCallStarted]]
    )

    def turn(self, turn_id: int, at_ms: int) -> _Turn:
        turn = self.turns.setdefault(turn_id, _Turn(at_ms))
        while len(self.turns) > MAX_TURNS:
            del self.turns[min(self.turns)]
        return turn


class Tracing:
    """An ``Observer`` that makes traces of sessions."""

    def __init__(self, endpoint: str, *, content: bool) -> None:
        """``content``: also what was said, and what tools were told and answered."""
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_S)
        about = {"service.name": "visavis", "service.version": visavis.__version__}
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("visavis", visavis.__version__)
        self._content = content
        self._agents: dict[str, TracedAgent] = {}
        self._open: dict[str, _Trace] = {}

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Tracing"]:
        """Send what is left at exit, if the collector takes it within a moment."""
        try:
            yield self
        finally:
            flush = asyncio.to_thread(self._provider.shutdown)
            await asyncio.wait([asyncio.ensure_future(flush)], timeout=CLOSE_S)

    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        """Look up whose session begins; stores nothing."""
        for record in records:
            if _begins(record) and (agent := await store.traced(session, record.session_id)):
                self._agents[record.session_id] = agent

    def after(self, records: Sequence[EventRecord]) -> None:
        for record in records:
            if _begins(record):
                self._begin(record)
            elif trace := self._open.get(record.session_id):
                self._take(trace, record)

    def _begin(self, record: EventRecord) -> None:
        agent = self._agents.pop(record.session_id, None)
        if agent is None:
            return
        root = self._tracer.start_span(
            f"invoke_agent {agent.name}",
            start_time=_ns(record.at_ms),
            kind=SpanKind.SERVER,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": agent.provider("llm"),
                "gen_ai.request.model": agent.model("llm"),
                "gen_ai.agent.id": agent.id,
                "gen_ai.agent.name": agent.name,
                "gen_ai.conversation.id": record.session_id,
            },
        )
        self._open[record.session_id] = _Trace(root, agent)

    def _take(self, trace: _Trace, record: EventRecord) -> None:
        at_ms = record.at_ms
        match record.event:
            case StateEntered(state=state):
                trace.root.add_event(state.value, timestamp=_ns(at_ms))
                if state is SessionState.ENDED:
                    trace.root.end(_ns(at_ms))
                    del self._open[record.session_id]
            case UserStartedSpeaking(turn_id=turn_id):
                trace.turn(turn_id, at_ms)
            case AgentStartedSpeaking(turn_id=turn_id):
                trace.turn(turn_id, at_ms).agent_started_ms = at_ms
            case ToolCallStarted() as call:
                trace.turn(call.turn_id, at_ms)
                trace.calls[call.call_id] = (record, call)
            case ToolCallFinished() as result:
                self._finish_call(trace, result)
            case TurnCompleted() as turn:
                self._complete(trace, record, turn)
            case SessionError(code=code, fatal=fatal):
                error: Attributes = {"error.type": code, "visavis.fatal": fatal}
                trace.root.add_event("error", error, timestamp=_ns(at_ms))
            case SessionEnded(reason=reason):
                trace.root.set_attribute("visavis.end_reason", reason.value)
                if reason in _FAILED:
                    trace.root.set_status(Status(StatusCode.ERROR, reason.value))
            case _:
                pass

    def _finish_call(self, trace: _Trace, result: ToolCallFinished) -> None:
        begun = trace.calls.pop(result.call_id, None)
        if begun is None:
            return
        record, call = begun
        turn = trace.turns.get(call.turn_id)
        if turn is not None:
            turn.tools.append((record, call, result))
        else:  # it went on in the background, and its turn is over
            self._tool(trace.root, record, call, result)

    def _complete(self, trace: _Trace, record: EventRecord, done: TurnCompleted) -> None:
        turn = trace.turns.pop(done.turn_id, None) or _Turn(record.at_ms)
        timings = done.timings
        if turn.agent_started_ms is not None and timings.voice_to_voice_ms is not None:
            zero_ms = turn.agent_started_ms - timings.voice_to_voice_ms
        else:
            zero_ms = float(turn.began_ms)
        begin_ms = min(turn.began_ms, zero_ms)
        about: Attributes = {
            "visavis.turn_id": done.turn_id,
            "visavis.interrupted": done.interrupted,
        }
        span = self._span(trace.root, f"turn {done.turn_id}", begin_ms, about)
        agent, ready = trace.agent, timings.turn_decided_ms or timings.transcript_ms or 0.0
        if timings.transcript_ms is not None:
            heard = {"gen_ai.output.messages": _message("user", done.user_text)}
            about = {**agent.attributes("stt"), **self._told(heard)}
            self._stage(span, "stt", zero_ms, 0.0, timings.transcript_ms, about)
        if timings.llm_first_token_ms is not None:
            self._chat(span, trace.agent, zero_ms, ready, done)
        if timings.first_clause_ms is not None and timings.tts_first_audio_ms is not None:
            begin, end = timings.first_clause_ms, timings.tts_first_audio_ms
            self._stage(span, "tts", zero_ms, begin, end, agent.attributes("tts"))
        for begun, call, result in turn.tools:
            self._tool(span, begun, call, result)
        span.end(_ns(record.at_ms))

    def _chat(
        self, turn: Span, agent: TracedAgent, zero_ms: float, begin: float, done: TurnCompleted
    ) -> None:
        first_ms = done.timings.llm_first_token_ms or 0.0
        about: Attributes = {
            "gen_ai.operation.name": "chat",
            **agent.attributes("llm"),
            "visavis.time_to_first_token_ms": max(first_ms - begin, 0.0),
            **self._told(
                {
                    "gen_ai.input.messages": _message("user", done.user_text),
                    "gen_ai.output.messages": _message("assistant", done.agent_text),
                }
            ),
        }
        end = max(done.timings.first_clause_ms or first_ms, first_ms)
        self._stage(turn, f"chat {agent.model('llm')}", zero_ms, begin, end, about)

    def _tool(
        self, parent: Span, begun: EventRecord, call: ToolCallStarted, result: ToolCallFinished
    ) -> None:
        about = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.call_id,
            "gen_ai.tool.type": "function",
            **self._told(
                {
                    "gen_ai.tool.call.arguments": call.arguments,
                    "gen_ai.tool.call.result": result.result,
                }
            ),
        }
        span = self._span(parent, f"execute_tool {call.name}", begun.at_ms, about)
        if not result.ok:
            span.set_attribute("error.type", result.error_code or "tool_failed")
            span.set_status(Status(StatusCode.ERROR))
        span.end(_ns(begun.at_ms + result.took_ms))

    def _stage(
        self, turn: Span, name: str, zero_ms: float, begin: float, end: float, about: Attributes
    ) -> None:
        span = self._span(turn, name, zero_ms + begin, about, SpanKind.CLIENT)
        span.end(_ns(zero_ms + max(begin, end)))

    def _span(
        self,
        parent: Span,
        name: str,
        begin_ms: float,
        about: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        return self._tracer.start_span(
            name,
            set_span_in_context(parent),
            kind,
            attributes=about,
            start_time=_ns(begin_ms),
        )

    def _told(self, content: dict[str, str]) -> dict[str, str]:
        return content if self._content else {}


def _begins(record: EventRecord) -> bool:
    return record.event == StateEntered(SessionState.REQUEST)


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _ns(unix_ms: float) -> int:
    return round(unix_ms * 1000) * 1000
