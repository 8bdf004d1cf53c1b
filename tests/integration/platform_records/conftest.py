"""A whole server whose calls are scripted and recorded, and a look at everything it wrote."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.integration.control_plane.conftest import House, open_house
from tests.integration.platform_records.recorded_worker import MARK, SHOWN, SOUND_MARK
from visavis.agents.schema import Agent, AgentConfiguration
from visavis.events import EventRecord
from visavis.sessions.live import StartOptions
from visavis.storage import sessions as store
from visavis.storage.tables import Base

__all__ = ["open_house"]

WORKER = "tests.integration.platform_records.recorded_worker"
PATIENCE_S = 30


@dataclass
class Records:
    """The house, and its sessions' records."""

    house: House
    folder: Path

    @property
    def http(self) -> httpx.AsyncClient:
        return self.house.http

    async def call(self, script: str, *, consent: bool = False, **configuration: object) -> str:
        """A session with an agent that records (unless told otherwise), under way or over."""
        settings = {"recording": {"enabled": True}, **configuration}
        agent = Agent(
            id="recorder",
            name="Ava",
            configuration=AgentConfiguration.model_validate(settings),
        )
        options = StartOptions(recording_consent=consent, context=f"{MARK} in the context")
        sessions = self.house.services.sessions
        reservation = await sessions.reserve(agent, options)
        await sessions.offer(reservation.session_id, f"v=0 {script}", None)
        return reservation.session_id

    async def ended(self, session_id: str) -> None:
        await self.house.until_ended({"sessionId": session_id})

    async def shown(self, session_id: str) -> None:
        """All was said and shown that will be."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if SHOWN in [record.event for record in await self.log(session_id)]:
                    return
                await asyncio.sleep(0.05)

    async def until_media(self, *names: str) -> None:
        """Wait until just these files hold sound or pictures."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self.media() == list(names):
                    return
                await asyncio.sleep(0.05)

    async def log(self, session_id: str) -> list[EventRecord]:
        await self.house.services.sessions.flush()
        async with self.house.services.database.read() as session:
            return await store.events(session, session_id)

    async def recording(self, session_id: str, **headers: str) -> httpx.Response:
        """The answer to GET, once the recording is no longer being prepared."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                url = f"/v1/session/{session_id}/recording"
                answer = await self.http.get(url, headers=headers)
                if answer.status_code != 409:
                    return answer
                assert answer.json()["code"] == "recording_pending"
                assert answer.headers["retry-after"]
                await asyncio.sleep(0.05)

    def files(self) -> dict[str, bytes]:
        """Everything on disk, by path."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def media(self) -> list[str]:
        """Files that hold sound or pictures, by name or by content."""
        sound = SOUND_MARK.tobytes()
        return [
            name
            for name, data in self.files().items()
            if sound in data or b"ftyp" in data or Path(name).suffix in (".capture", ".mp4")
        ]

    def hide_blobs(self) -> None:
        """A store that fails: a file stands where its folder was."""
        blobs = self.folder / "blobs"
        blobs.rename(self.folder / "hidden")
        blobs.write_bytes(b"")

    def show_blobs(self) -> None:
        blobs = self.folder / "blobs"
        blobs.unlink()
        (self.folder / "hidden").rename(blobs)

    async def rows(self) -> str:
        """Every row of every table, as text."""
        async with self.house.services.database.read() as session:
            found: list[str] = []
            for table in Base.metadata.sorted_tables:
                found += [str(row) for row in await session.execute(text(f"SELECT * FROM {table}"))]
        return "\n".join(found)

    def on_disk(self, needle: str) -> list[str]:
        return [name for name, data in self.files().items() if needle.encode() in data]


@pytest.fixture
async def open_records(open_house: Callable, tmp_path: Path) -> AsyncIterator[Callable]:
    async with AsyncExitStack():

        async def build(**changes: object) -> Records:
            return Records(await open_house(WORKER, workers=1, **changes), tmp_path)

        yield build
