"""The life of a session, from request to end, as the server sees it.

Reserve is not start: ``reserve`` claims a slot and costs no worker; the first ``offer`` with the
room token opens the room. Every session ends exactly once, and its end frees its slot.
"""

import asyncio
import secrets
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.merge import merge
from visavis.agents.schema import Agent, AgentConfiguration, Metadata
from visavis.conversation.commands import Command, Update
from visavis.events import (
    EndReason,
    EventRecord,
    SessionEvent,
    SessionState,
    StateEntered,
)
from visavis.records.wordless import wordless
from visavis.sessions.control import Candidate, Finished
from visavis.sessions.journal import Journal
from visavis.sessions.ledger import Ledger
from visavis.sessions.live import (
    Answer,
    Live,
    Models,
    Refusal,
    Reservation,
    StartOptions,
    now_ms,
)
from visavis.sessions.papers import row_of, spec_of
from visavis.sessions.placement import Placement, PlacementError
from visavis.settings import Settings
from visavis.storage import sessions as store
from visavis.storage import slots
from visavis.storage.agents import activate, was_used
from visavis.storage.database import Database

SWEEP_S = 1.0
RETRY_S = 1.0
END_S = 10.0
RETRY_AFTER_S = {"no_worker": 2, "too_many_commands": 1}
MAX_METADATA = 100
OVERTIME_MS = 60_000
"""A joined session's slot lease outlives its longest conversation by this much."""

log = structlog.stdlib.get_logger("visavis.sessions")


class Sessions:
    """All sessions of this server. Use ``async with sessions.running():`` around their life."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        journal: Journal,
        placement: Placement,
        models: Models,
    ) -> None:
        self._settings = settings
        self._database = database
        self._journal = journal
        self._ledger = Ledger(database, journal)
        self._placement = placement
        self._models = models
        self._live: dict[str, Live] = {}

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Sessions"]:
        """Settle what an earlier server left, then follow the workers until exit."""
        seats = self._settings.workers * self._settings.sessions_per_worker
        await self._ledger.settle_leftovers(seats)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._follow_workers(group)),
                group.create_task(self._sweep()),
            ]
            yield self
            for task in tasks:
                task.cancel()

    # -- what callers ask ----------------------------------------------------------------------

    async def reserve(self, agent: Agent, options: StartOptions | None = None) -> Reservation:
        """Claim a slot for a new session, and use up a single-use agent.

        Raises ``Refusal`` (``capacity_exhausted``, ``agent_used``, ``agent_expired``).
        """
        requested_ms = now_ms()
        join_by_ms = requested_ms + self._settings.join_seconds * 1000
        live = Live(str(uuid.uuid4()), agent, join_by_ms, options or StartOptions())
        async with self._database.write() as session:
            if agent.kind == "ephemeral" and not await activate(session, agent.id, requested_ms):
                raise await _spent(session, agent.id)
            session.add(row_of(live, requested_ms))
            await session.flush()
            if await slots.claim(session, live.session_id, join_by_ms) is None:
                await session.rollback()
                raise Refusal(
                    "capacity_exhausted", "All seats are taken.", retry_s=await self._retry_s()
                )
        self._live[live.session_id] = live
        await self._enter(live, SessionState.REQUEST, requested_ms)
        await self._enter(live, SessionState.PROVISIONING)
        return Reservation(live.session_id, join_by_ms)

    async def offer(self, session_id: str, sdp: str, pc_id: str | None) -> Answer:
        """Answer an offer: the first opens the room, later ones need the peer's ``pc_id``."""
        live = self._find(session_id)
        async with live.lock:
            if live.asked_to_end is not None or live.over.is_set():
                raise Refusal("session_ended", "This session has ended.")
            try:
                if live.pc_id is None:
                    return await self._join(live, sdp)
                self._check_peer(live, pc_id)
                return Answer(await self._placement.renegotiate(session_id, sdp), live.pc_id)
            except PlacementError as error:
                if error.code == "worker_timeout":  # the room may yet open: it must not be used
                    live.asked_to_end = EndReason.ERROR
                raise _refusal(error) from error

    async def add_candidates(
        self, session_id: str, pc_id: str, candidates: Sequence[Candidate]
    ) -> None:
        """Hand the user's trickled candidates to the room."""
        live = self._find(session_id)
        self._check_peer(live, pc_id)
        try:
            await self._placement.add_candidates(session_id, candidates)
        except PlacementError as error:
            raise _refusal(error) from error

    async def tell(self, session_id: str, command: Command) -> None:
        """Hand a command to the conversation.

        Raises ``Refusal`` (``session_ended``, ``session_not_joined``, ``too_many_commands``).
        """
        live = self._find(session_id)
        if live.asked_to_end is not None:
            raise Refusal("session_ended", "This session has ended.")
        if not live.placed:
            raise Refusal("session_not_joined", "Nobody has joined this session yet.")
        try:
            await self._placement.tell(session_id, command)
        except PlacementError as error:
            raise _refusal(error) from error

    async def update(
        self,
        session_id: str,
        wish: Update,
        configure: Callable[[AgentConfiguration], AgentConfiguration],
        metadata: Metadata,
    ) -> None:
        """Change a session that has not ended, joined or not; ``metadata`` is a merge patch.

        ``configure`` makes the configuration that ``wish`` leads to, or raises. Raises ``Refusal``.
        """
        live = self._find(session_id)
        async with live.lock:
            configuration = configure(live.agent.configuration)
            told = merge(live.options.metadata, metadata)
            if len(told) > MAX_METADATA:
                raise Refusal("invalid_request", f"At most {MAX_METADATA} keys of metadata.")
            if live.placed and wish != Update():
                await self.tell(session_id, wish)
            live.agent = live.agent.model_copy(update={"configuration": configuration})
            live.options = replace(live.options, metadata=told)
            async with self._database.write() as session:
                await store.reconfigure(session, session_id, configuration, told)
                await self._lease(session, live)

    async def end(self, session_id: str, reason: EndReason) -> None:
        """End a session and wait until it is over; no harm if it already is.

        Raises ``Refusal`` (``worker_timeout``) when its worker does not let go of it.
        """
        live = self._live.get(session_id)
        if live is None:
            return
        if live.asked_to_end is None:
            live.asked_to_end = reason
            async with live.lock:  # an offer being answered comes to its end first
                await self._let_go(live, reason)
        try:
            async with asyncio.timeout(END_S):
                await live.over.wait()
        except TimeoutError:
            raise Refusal("worker_timeout", "The session does not come to its end.") from None

    async def end_all(self, reason: EndReason) -> None:
        """End every session; one that will not end does not keep the others from it."""
        async with asyncio.TaskGroup() as group:
            for session_id in list(self._live):
                group.create_task(self._end_or_log(session_id, reason))

    def joined(self, session_id: str) -> bool:
        """Whether a user has joined; the token's deadline then no longer counts."""
        live = self._live.get(session_id)
        return live is not None and live.pc_id is not None

    async def flush(self) -> None:
        """Bring everything that has happened so far to the database."""
        await self._journal.flush()

    # -- the steps of a life -------------------------------------------------------------------

    async def _join(self, live: Live, sdp: str) -> Answer:
        first_join = SessionState.ROOM_CREATION not in live.states
        if first_join:
            await self._enter(live, SessionState.ROOM_CREATION)
        spec = spec_of(live, self._settings, self._models.endpoints(live.agent))
        answer = await self._placement.open(spec, sdp, live.next_seq)
        live.placed = True
        live.pc_id = f"pc-{secrets.token_urlsafe(18)}"
        live.joined_ms = now_ms()
        async with self._database.write() as session:
            await store.mark_joined(session, live.session_id, live.joined_ms)
            await self._lease(session, live)
        return Answer(answer, live.pc_id)

    async def _lease(self, session: AsyncSession, live: Live) -> None:
        """A joined session holds its slot for its longest conversation and a little more."""
        if live.joined_ms is not None:
            longest_ms = live.agent.configuration.max_duration_seconds * 1000
            live.lease_ms = live.joined_ms + longest_ms + OVERTIME_MS
            await slots.extend(session, live.session_id, live.lease_ms)

    async def _let_go(self, live: Live, reason: EndReason) -> None:
        if not live.placed:
            await self._finish(live, reason)
            return
        try:
            await self._placement.end(live.session_id, reason)
        except PlacementError:  # over already; its ``Finished`` is on its way
            log.info("end_crossed", session_id=live.session_id)

    async def _finish(self, live: Live, reason: EndReason) -> None:
        """The last two states: sum up, record the end, free the slot. Outlasts the database."""
        if SessionState.ANALYTICS in live.states:
            return
        await self._enter(live, SessionState.ANALYTICS)
        await self._journal.flush()
        while not live.over.is_set():
            try:
                await self._close_book(live, reason)
            except SQLAlchemyError as error:
                log.error("database_unavailable", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _close_book(self, live: Live, reason: EndReason) -> None:
        await self._ledger.close(live.session_id, reason)
        del self._live[live.session_id]
        live.over.set()
        log.info("session_ended", session_id=live.session_id, reason=reason.value)

    async def _follow_workers(self, group: asyncio.TaskGroup) -> None:
        async for report in self._placement.reports():
            live = self._live.get(report.session_id)
            if live is None:
                continue
            if isinstance(report, Finished):
                group.create_task(self._finish(live, live.asked_to_end or report.reason))
            else:
                await self._take(live, report)

    async def _take(self, live: Live, record: EventRecord) -> None:
        """An event from the worker; a state is entered once, whatever the worker says."""
        live.next_seq = max(live.next_seq, record.seq + 1)
        if isinstance(record.event, StateEntered):
            if record.event.state in live.states:
                return
            live.states.add(record.event.state)
        keeps_words = not live.agent.configuration.retention.zero
        await self._journal.add(record if keeps_words else wordless(record))

    async def _sweep(self) -> None:
        """End reservations that nobody joined in time, and sessions that outlast their lease."""
        while True:
            now = now_ms()
            for live in list(self._live.values()):
                if live.asked_to_end is not None or live.lock.locked():
                    continue
                if live.pc_id is None and live.join_by_ms <= now:
                    await self._end_or_log(live.session_id, EndReason.NEVER_JOINED)
                elif live.lease_ms is not None and live.lease_ms <= now:
                    live.asked_to_end = EndReason.MAX_DURATION
                    await self._let_go(live, EndReason.MAX_DURATION)
            await asyncio.sleep(SWEEP_S)

    async def _end_or_log(self, session_id: str, reason: EndReason) -> None:
        try:
            await self.end(session_id, reason)
        except Refusal as refusal:
            log.error("session_does_not_end", session_id=session_id, code=refusal.code)

    # -- small matters -------------------------------------------------------------------------

    def _find(self, session_id: str) -> Live:
        live = self._live.get(session_id)
        if live is None:
            raise Refusal("session_ended", "This session has ended.")
        return live

    def _check_peer(self, live: Live, pc_id: str | None) -> None:
        expected = live.pc_id
        if expected is None or pc_id is None or not secrets.compare_digest(expected, pc_id):
            raise Refusal("token_in_use", "Someone has already joined with this token.")

    async def _enter(self, live: Live, state: SessionState, at_ms: int | None = None) -> None:
        live.states.add(state)
        await self._record(live, StateEntered(state), at_ms)

    async def _record(self, live: Live, event: SessionEvent, at_ms: int | None = None) -> None:
        record = EventRecord(
            session_id=live.session_id,
            seq=live.next_seq,
            at_ms=now_ms() if at_ms is None else at_ms,
            event=event,
        )
        live.next_seq += 1
        await self._journal.add(record)

    async def _retry_s(self) -> int:
        async with self._database.read() as session:
            expiry_ms = await slots.earliest_expiry(session)
        wait_s = 5 if expiry_ms is None else (expiry_ms - now_ms()) // 1000 + 1
        return min(max(wait_s, 1), 30)


async def _spent(session: AsyncSession, agent_id: str) -> Refusal:
    """Why a single-use agent could not be activated."""
    if await was_used(session, agent_id):
        return Refusal("agent_used", "This agent was for one session, which it has had.")
    return Refusal("agent_expired", "This agent waited for its one session in vain.")


def _refusal(error: PlacementError) -> Refusal:
    return Refusal(error.code, error.message, retry_s=RETRY_AFTER_S.get(error.code))
