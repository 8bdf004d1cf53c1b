"""The process that makes one face or one clip: ``python -m visavis.jobs.avatar_process FOLDER``.

Reads ``order.json``, tells what it does as lines of JSON, and leaves its files in the folder.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from visavis.avatar import rig
from visavis.avatar.photo import PhotoRefused, Reason, make_rig, preview, preview_clip
from visavis.conversation.speaker import Resampler
from visavis.jobs.avatar_making import (
    CLIP,
    PREVIEW,
    RIG,
    SOURCE,
    ClipOrder,
    MakeOrder,
    Remark,
    Told,
)
from visavis.media import OUTPUT_RATE, SpeechChunk
from visavis.providers import resolve
from visavis.providers.base import ProviderError

VOICE_S = 20.0
_SILENT_S = 4.0
_ORDER: TypeAdapter[MakeOrder | ClipOrder] = TypeAdapter(MakeOrder | ClipOrder)


def main() -> None:
    os.nice(10)  # conversations come first
    folder = Path(sys.argv[1])
    order = _ORDER.validate_json((folder / "order.json").read_bytes())
    try:
        if isinstance(order, MakeOrder):
            _tell(Told(done=_make(order, folder)))
        else:
            _film(order, folder)
            _tell(Told(done=[]))
    except _Refused as refused:
        _tell(Told(refused=refused.remarks))


class _Refused(Exception):
    def __init__(self, remarks: list[Remark]) -> None:
        self.remarks = remarks


def _make(order: MakeOrder, folder: Path) -> list[Remark]:
    source, warnings = folder / SOURCE, list[Remark]()
    with source.open("rb") as file:
        is_rig = file.read(2) == b"PK"
    made = _taken(source, order) if is_rig else _from_photo(source, order, warnings)
    _step("Saving")
    rig.save(made, folder / RIG)
    (folder / PREVIEW).write_bytes(preview(made))
    return warnings


def _from_photo(source: Path, order: MakeOrder, warnings: list[Remark]) -> rig.Rig:
    try:
        return make_rig(
            source.read_bytes(),
            name=order.name,
            rig_id=order.id,
            consent=order.consent,
            progress=_step,
            remark=lambda reason: warnings.append(_remark(reason)),
        )
    except PhotoRefused as refused:
        raise _Refused([_remark(reason) for reason in refused.reasons]) from None


def _taken(source: Path, order: MakeOrder) -> rig.Rig:
    """An uploaded rig under its new name, with the consent that came with the upload."""
    _step("Checking the rig")
    try:
        given = rig.load(source)
    except rig.RigError as error:
        remark = Remark(code="bad_rig", message=f"This .avatar file cannot be used: {error}.")
        raise _Refused([remark]) from None
    fields = {"id": order.id, "name": order.name, "consent": order.consent}
    return replace(given, manifest=given.manifest.model_copy(update=fields))


def _film(order: ClipOrder, folder: Path) -> None:
    speech = asyncio.run(_spoken(order))
    seconds = _SILENT_S if speech is None else speech.duration_s + 0.8
    (folder / CLIP).write_bytes(preview_clip(rig.load(folder / RIG), speech, seconds))


async def _spoken(order: ClipOrder) -> SpeechChunk | None:
    """The sentence, at ``OUTPUT_RATE``; None where no voice can be reached."""
    if order.tts is None:
        return None

    async def sentence() -> AsyncIterator[str]:
        yield order.text

    resampler, parts = Resampler(), list[SpeechChunk]()
    try:
        async with asyncio.timeout(VOICE_S):
            voice = resolve.text_to_speech(order.tts)
            async for chunk in voice.speak(sentence(), voice=order.voice or "heart"):
                parts.append(resampler.resample(chunk))
    except (ProviderError, TimeoutError):
        return None
    finally:
        await resolve.aclose()
    return _joined(parts)


def _joined(parts: list[SpeechChunk]) -> SpeechChunk | None:
    if not parts:
        return None
    starts = np.cumsum([0.0, *(part.duration_s for part in parts)])
    phonemes = [
        replace(phoneme, start_s=phoneme.start_s + start, end_s=phoneme.end_s + start)
        for part, start in zip(parts, starts[:-1], strict=True)
        for phoneme in part.phonemes
    ]
    return SpeechChunk(
        pcm=np.concatenate([part.pcm for part in parts]),
        sample_rate=OUTPUT_RATE,
        text=" ".join(part.text for part in parts),
        phonemes=tuple(phonemes),
    )


def _remark(reason: Reason) -> Remark:
    return Remark(code=reason.code, message=reason.message, advice=reason.advice)


def _step(name: str) -> None:
    _tell(Told(step=name))


def _tell(told: Told) -> None:
    print(told.model_dump_json(exclude_none=True), flush=True)


if __name__ == "__main__":
    main()
