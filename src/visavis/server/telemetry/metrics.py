"""What the server counts, for Prometheus."""

import time
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visavis.events import (
    EventRecord,
    SessionEnded,
    SessionError,
    SessionState,
    StateEntered,
    ToolCallFinished,
    TurnCompleted,
)
from visavis.records.analytics import STAGES
from visavis.storage import analytics as store
from visavis.storage.database import Database

_LATENCY_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """All counters of one server. An ``Observer`` of its sessions.

    Counters begin at zero with the process; figures over all time are in ``/v1/analytics``.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._open: dict[str, str] = {}
        """Sessions that have not ended: reserved, or joined."""
        self._sessions = Gauge(
            "visavis_sessions", "Sessions that have not ended.", ["phase"], registry=registry
        )
        self._started = Counter("visavis_sessions_started", "Reserved.", registry=registry)
        self._joined = Counter("visavis_sessions_joined", "A user came.", registry=registry)
        self._ended = Counter("visavis_sessions_ended", "Over.", ["reason"], registry=registry)
        self._errors = Counter(
            "visavis_session_errors", "In conversations.", ["fatal"], registry=registry
        )
        self._turns = Counter("visavis_turns", "Completed.", ["interrupted"], registry=registry)
        self._latency = Histogram(
            "visavis_turn_latency_seconds",
            "From the user's last voiced sample to the end of a stage.",
            ["stage"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._tool_calls = Histogram(
            "visavis_tool_call_seconds",
            "Calls of tools that came to a result.",
            ["outcome"],
            buckets=(*_LATENCY_S, 30, 100, 300),
            registry=registry,
        )
        self._requests = Histogram(
            "visavis_http_request_seconds",
            "HTTP requests, by route template.",
            ["method", "route", "status"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self._slots = Gauge("visavis_slots", "Seats for sessions.", ["state"], registry=registry)
        self._ready = Gauge(
            "visavis_ready", "1: this part can serve sessions.", ["part"], registry=registry
        )
        self._deliveries = Gauge(
            "visavis_webhook_deliveries",
            "Webhook messages in the books.",
            ["status"],
            registry=registry,
        )
        for interrupted in ("true", "false"):
            self._turns.labels(interrupted)

    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        """Nothing to store."""

    def after(self, records: Sequence[EventRecord]) -> None:
        for record in records:
            self._count(record)
        for phase in ("reserved", "joined"):
            self._sessions.labels(phase).set(list(self._open.values()).count(phase))

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        """An HTTP request was answered. ``route`` is a template, so that labels stay few."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).observe(took_s)

    async def page(self, database: Database, ready: Mapping[str, bool]) -> bytes:
        """Everything in Prometheus' text format, with what only the database knows."""
        for part, is_ready in ready.items():
            self._ready.labels(part).set(is_ready)
        async with database.read() as session:
            free, taken = await store.slots(session)
            deliveries = await store.deliveries(session)
        self._slots.labels("free").set(free)
        self._slots.labels("taken").set(taken)
        for status in ("pending", "delivered", "failed", "cancelled"):
            self._deliveries.labels(status).set(deliveries.get(status, 0))
        return generate_latest(self.registry)

    def _count(self, record: EventRecord) -> None:
        match record.event:
            case StateEntered(state=SessionState.REQUEST):
                self._open[record.session_id] = "reserved"
                self._started.inc()
            case StateEntered(state=SessionState.ROOM_CREATION):
                self._open[record.session_id] = "joined"
                self._joined.inc()
            case SessionEnded(reason=reason):
                self._open.pop(record.session_id, None)
                self._ended.labels(reason.value).inc()
            case SessionError(fatal=fatal):
                self._errors.labels(str(fatal).lower()).inc()
            case TurnCompleted() as turn:
                self._turns.labels(str(turn.interrupted).lower()).inc()
                for stage in STAGES:
                    taken_ms: float | None = getattr(turn.timings, stage)
                    if taken_ms is not None:
                        self._latency.labels(stage.removesuffix("_ms")).observe(taken_ms / 1000)
            case ToolCallFinished(ok=ok, took_ms=took_ms):
                self._tool_calls.labels("ok" if ok else "failed").observe(took_ms / 1000)
            case _:
                pass


class MetricsMiddleware:
    """Times every request until its answer begins: an event stream may last for hours."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                took_s = time.perf_counter() - began
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.request(scope["method"], route, message["status"], took_s)
            await send(message)

        await self._app(scope, receive, note)
