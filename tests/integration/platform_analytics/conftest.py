"""A server on a real socket with sessions in its books; none runs, so it has no workers."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.control_plane.conftest import open_house  # noqa: F401
from tests.integration.whole_server import NoModels, NoWorkers, whole_server
from visavis.agents.demo import DEMO
from visavis.events import EndReason, TurnTimings
from visavis.records.figures import Figures
from visavis.settings import Settings
from visavis.storage.database import Database
from visavis.storage.tables import SessionRow, ToolCallRow, TurnRow


def at(text: str) -> int:
    """Unix ms of a moment in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Books:
    """Writes past sessions into a server's database."""

    def __init__(self, url: str, database: Database) -> None:
        self.url = url
        self.database = database
        self._count = 0

    async def add(
        self,
        when: str,
        *,
        agent_id: str = "demo",
        agent_name: str = "Ava",
        minutes: float = 0,
        reason: EndReason | None = EndReason.USER_LEFT,
        joined: bool = True,
        turns: Sequence[tuple[bool, float]] = (),
        tools: Sequence[tuple[str, bool | None, float | None]] = (),
        errors: int = 0,
        rates: dict[str, float] | None = None,
    ) -> str:
        """A session; ``turns``: (interrupted, voice to voice); ``tools``: (name, ok, took)."""
        self._count += 1
        identity, begin = f"s-{self._count}", at(when)
        configuration = DEMO.configuration.model_dump(mode="json")
        for layer, rate in (rates or {}).items():
            configuration[layer]["cost_per_minute"] = rate
        figures = Figures(
            duration_ms=round(minutes * 60_000),
            turns=len(turns),
            interruptions=sum(interrupted for interrupted, _ in turns),
            errors=errors,
            voice_to_voice_median_ms=turns[0][1] if turns else None,
        )
        ended = reason is not None
        async with self.database.write() as session:
            session.add(
                SessionRow(
                    id=identity,
                    agent_id=agent_id,
                    agent_name=agent_name,
                    configuration=configuration,
                    state="ended" if ended else "conversation",
                    created_at=begin,
                    join_by=begin + 120_000,
                    joined_at=begin + 1000 if joined else None,
                    ended_at=begin + figures.duration_ms + 1000 if ended else None,
                    end_reason=reason,
                    figures=figures.model_dump(mode="json") if ended else None,
                    meta={},
                )
            )
            await session.flush()
            for number, (interrupted, taken) in enumerate(turns):
                session.add(_turn(identity, number, begin, interrupted, taken))
            for number, (name, ok, took) in enumerate(tools):
                session.add(_tool_call(identity, number, begin, name, ok, took))
        return identity


def _turn(session_id: str, number: int, at_ms: int, interrupted: bool, taken: float) -> TurnRow:
    return TurnRow(
        session_id=session_id,
        turn_id=number,
        completed_at=at_ms,
        user_text="",
        agent_text="",
        interrupted=interrupted,
        timings=asdict(TurnTimings(voice_to_voice_ms=taken)),
        frames_sent=0,
        frames_dropped=0,
    )


def _tool_call(
    session_id: str, number: int, at_ms: int, name: str, ok: bool | None, took: float | None
) -> ToolCallRow:
    return ToolCallRow(
        session_id=session_id,
        call_id=f"c-{number}",
        turn_id=1,
        tool_id=name,
        name=name,
        arguments="{}",
        is_async=False,
        started_at=at_ms,
        took_ms=took,
        ok=ok,
    )


@pytest.fixture
async def books(database_url: str, tmp_path: Path) -> AsyncIterator[Books]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=database_url,
        llm_cost_per_minute=0.01,
        tts_cost_per_minute=0.02,
    )
    async with whole_server(settings, NoWorkers(), NoModels()) as (url, services):
        yield Books(url, services.database)
