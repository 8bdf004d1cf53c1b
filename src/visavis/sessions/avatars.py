"""Faces that users bring: made, kept as blobs, handed to workers as files, deleted whole.

The uploaded file is not kept: only the square around the face, as part of what was made of it.
"""

import contextlib
import uuid
from pathlib import Path

import visavis
from visavis.agents.demo import DEMO
from visavis.avatar import rig
from visavis.jobs.avatar_making import (
    CLIP,
    PREVIEW,
    RIG,
    SOURCE,
    ClipOrder,
    MakeOrder,
    MakingRefused,
    Remark,
    Workshop,
    carry_out,
)
from visavis.providers.base import Endpoint
from visavis.sessions.live import Models, now_ms
from visavis.storage import audit
from visavis.storage import avatars as store
from visavis.storage.blobs import Blobs
from visavis.storage.database import Database
from visavis.storage.tables import AvatarRow

MAX_AVATARS = 1000

_KNOWN = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"PK", b"\0\0\0")
"""How JPEG, PNG, WebP, zip and (to be refused by name) HEIC files begin."""
_NO_PICTURE = Remark(
    code="not_a_picture",
    message="This file is not a picture that can be read.",
    advice="Use a JPEG, PNG or WebP.",
)
_SAYS = "Hello, it is nice to meet you. This is how I look when I talk with you."


class TooManyAvatars(Exception):
    """``MAX_AVATARS`` are kept already."""


class Avatars:
    """The faces of this server that visavis did not come with."""

    def __init__(self, data_dir: Path, database: Database, blobs: Blobs, models: Models) -> None:
        self._files = data_dir.absolute() / "avatars"
        self._database = database
        self._blobs = blobs
        self._models = models
        self._workshop = Workshop()

    async def create(self, source: Path, name: str, consent: rig.Consent, actor: str) -> AvatarRow:
        """Make a face of a photo or an ``.avatar`` file, named by its absolute path.

        Raises ``MakingRefused``, ``MakingFailed``, ``MakingBusy``, ``TooManyAvatars``,
        ``BlobsError``.
        """
        if not _starts_with(source, *_KNOWN):
            raise MakingRefused([_NO_PICTURE])  # not worth a process
        await self._check_room()
        avatar_id = f"av-{uuid.uuid4().hex}"
        is_rig = _starts_with(source, b"PK")
        async with self._workshop.folder() as folder:
            (folder / SOURCE).symlink_to(source)
            order = MakeOrder(id=avatar_id, name=name, consent=consent)
            warnings = await carry_out(order, folder)
            row = AvatarRow(
                id=avatar_id,
                name=name,
                origin="rig" if is_rig else "photo",
                consent=consent.model_dump(mode="json"),
                warnings=[warning.model_dump() for warning in warnings],
                size_bytes=(folder / RIG).stat().st_size,
                created_at=now_ms(),
            )
            try:
                for file in (RIG, PREVIEW):
                    await self._blobs.put(_key(avatar_id, file), folder / file)
                async with self._database.write() as session:
                    session.add(row)
                    detail = {"subject": consent.subject}
                    await audit.record(session, actor, "avatar.created", avatar_id, detail)
            except BaseException:
                await self._remove_files(avatar_id)  # nothing of a face without a row
                raise
        return row

    async def delete(self, avatar_id: str, actor: str) -> None:
        """Remove all of it. Files first: what is still listed can be deleted again."""
        await self._remove_files(avatar_id)
        async with self._database.write() as session:
            if row := await store.find(session, avatar_id):
                await session.delete(row)
                await audit.record(session, actor, "avatar.deleted", avatar_id)

    async def rig_file(self, avatar_id: str) -> Path | None:
        """The rig as a file on this machine; None where there is no such face."""
        with contextlib.suppress(KeyError):
            return rig.find(avatar_id)
        local = self._files / f"{avatar_id}.avatar"
        key = _key(avatar_id, RIG)
        size = await self._blobs.size(key)
        if size is None:
            return None
        if not local.exists() or local.stat().st_size != size:
            await self._blobs.fetch(key, local)
        return local

    async def preview(self, avatar_id: str) -> bytes | None:
        """A still of the face, WebP."""
        with contextlib.suppress(KeyError):
            return rig.portrait(avatar_id)
        return await self._read(_key(avatar_id, PREVIEW))

    async def clip(self, avatar_id: str) -> bytes | None:
        """The face saying a sentence, WebM; made when first asked for.

        Raises ``MakingFailed``, ``MakingBusy``, ``BlobsError``.
        """
        rig_file = await self.rig_file(avatar_id)
        if rig_file is None:
            return None
        key = _key(avatar_id, CLIP) if avatar_id.startswith("av-") else _built_in_clip(avatar_id)
        if (kept := await self._read(key)) is not None:
            return kept
        async with self._workshop.folder() as folder:
            if (kept := await self._read(key)) is not None:
                return kept  # made while we waited
            (folder / RIG).symlink_to(rig_file)
            await carry_out(ClipOrder(text=_SAYS, tts=self._voice()), folder)
            if await self.rig_file(avatar_id) is None:
                return None  # deleted meanwhile: leave nothing behind
            await self._blobs.put(key, folder / CLIP)
            return (folder / CLIP).read_bytes()

    def _voice(self) -> Endpoint | None:
        try:
            return self._models.endpoints(DEMO).tts
        except ValueError:
            return None

    async def _check_room(self) -> None:
        async with self._database.read() as session:
            if await store.count(session) >= MAX_AVATARS:
                raise TooManyAvatars

    async def _remove_files(self, avatar_id: str) -> None:
        for file in (RIG, PREVIEW, CLIP):
            await self._blobs.delete(_key(avatar_id, file))
        (self._files / f"{avatar_id}.avatar").unlink(missing_ok=True)

    async def _read(self, key: str) -> bytes | None:
        size = await self._blobs.size(key)
        if not size:
            return None
        return b"".join([part async for part in self._blobs.read(key, 0, size - 1)])


def _key(avatar_id: str, file: str) -> str:
    return f"avatars/{avatar_id}/{file}"


def _built_in_clip(avatar_id: str) -> str:
    """A new release may bring a new face."""
    return f"avatars/{avatar_id}-{visavis.__version__}/{CLIP}"


def _starts_with(path: Path, *magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(16).startswith(magic)
