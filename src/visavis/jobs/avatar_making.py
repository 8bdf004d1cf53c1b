"""Makes faces out of photos and uploaded files, each in a process of its own.

A picture from a stranger is decoded there, not in the server; and what takes seconds of a core
runs behind everything else. See ``avatar_process`` for the other side.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import BaseModel, ValidationError

from visavis.avatar.rig import Consent
from visavis.providers.base import Endpoint

TIME_OUT_S = 120.0
"""A photo takes a few seconds, a clip about ten; the first one of all pulls the face models."""
SOURCE = "source"
"""The file that a rig is made of."""
RIG, PREVIEW, CLIP = "rig.avatar", "preview.webp", "clip.webm"
_LINE = 64 * 1024
_WAITING = 4


class Remark(BaseModel):
    """What is wrong with a picture, or could be better: for programs, and in plain words."""

    code: str
    message: str
    advice: str = ""


class MakeOrder(BaseModel):
    """A rig from the file ``source`` in the folder: ``rig.avatar`` and ``preview.webp``."""

    kind: Literal["make"] = "make"
    id: str
    name: str
    consent: Consent


class ClipOrder(BaseModel):
    """``clip.webm`` of the folder's ``rig.avatar``, saying ``text`` if ``tts`` can be reached."""

    kind: Literal["clip"] = "clip"
    text: str
    tts: Endpoint | None
    voice: str | None = None


class Told(BaseModel):
    """A line of the process's output; the last one has ``done`` or ``refused``."""

    step: str | None = None
    done: list[Remark] | None = None
    refused: list[Remark] | None = None


class MakingRefused(Exception):
    """The file cannot become a face; ``remarks`` say why."""

    def __init__(self, remarks: list[Remark]) -> None:
        super().__init__(
            " ".join(f"{remark.message} {remark.advice}".strip() for remark in remarks)
        )
        self.remarks = remarks


class MakingFailed(Exception):
    """The process died, hung, or made no sense: no fault of the file that we know of."""


class MakingBusy(Exception):
    """Others wait already."""


class Workshop:
    """One process at a time; a few may wait for it."""

    def __init__(self) -> None:
        self._bench = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def folder(self) -> AsyncGenerator[Path]:
        """A folder to work in, once it is this caller's turn. Raises ``MakingBusy``."""
        if self._waiting >= _WAITING:
            raise MakingBusy
        self._waiting += 1
        try:
            async with self._bench:
                with TemporaryDirectory(prefix="visavis-avatar-") as path:
                    yield Path(path)
        finally:
            self._waiting -= 1


async def carry_out(
    order: MakeOrder | ClipOrder, folder: Path, progress: Callable[[str], None] | None = None
) -> list[Remark]:
    """Run an order in ``folder``; what could be better. ``progress`` hears of each step.

    Raises ``MakingRefused``, ``MakingFailed``.
    """
    (folder / "order.json").write_text(order.model_dump_json())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "visavis.jobs.avatar_process", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE,
    )
    try:
        async with asyncio.timeout(TIME_OUT_S):
            told = await _last_word(process, progress)
            await process.wait()
    except TimeoutError:
        raise MakingFailed(f"It took longer than {TIME_OUT_S:.0f} s.") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if told is None:
        raise MakingFailed(f"The process ended with {process.returncode} and said nothing.")
    if told.refused is not None:
        raise MakingRefused(told.refused)
    return told.done or []


async def _last_word(
    process: asyncio.subprocess.Process, progress: Callable[[str], None] | None
) -> Told | None:
    assert process.stdout is not None
    async for line in process.stdout:
        try:
            told = Told.model_validate_json(line)
        except ValidationError:
            continue  # a library that prints
        if told.step is None:
            return told
        if progress is not None:
            progress(told.step)
    return None
