"""The rig: what makes one face animatable, and the ``.avatar`` file it lives in.

The file format is described in docs/avatar-format.md. A file may come from a stranger: nothing is
extracted to disk, only known names are read, and every size is checked before it is decoded.
"""

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from visavis.avatar.coefficients import ARKIT
from visavis.avatar.container import RigError, members

LANDMARKS = 478
"""Points of the MediaPipe face mesh with irises; the rig's one topology."""

_FOREHEAD, _CHIN = 10, 152

Pixels = NDArray[np.uint8]
Points = NDArray[np.float32]

_FILES = {"avatar.json", "texture.webp", "landmarks.f32", "portrait.webp"}
_OPTIONAL = {"background.webp", "deltas.f16"}
_MAX_KEYS = 24
_MAX_BYTES = 32 << 20

_Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
_Weight = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
_Pixel = Annotated[float, Field(ge=-4096, le=4096, allow_inf_nan=False)]
_Weights = Annotated[dict[str, _Weight], Field(max_length=len(ARKIT))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Licence(_Part):
    """Where the pictures come from and what may be done with them."""

    spdx: str = Field(max_length=64)
    credit: str = Field(max_length=1000)
    origin: str = Field(default="", max_length=1000)


class Consent(_Part):
    """Whose face this is. ``self`` and ``licensed`` need the statement the person agreed to."""

    subject: Literal["synthetic", "self", "licensed"]
    statement: str = Field(default="", max_length=2000)
    attested_by: str | None = Field(default=None, max_length=200)
    attested_at: str | None = Field(default=None, max_length=40)
    """Who said so, and when (ISO 8601)."""


class Limits(_Part):
    """How far this rig may turn before it looks wrong, in degrees; gaze as a share of full."""

    yaw: float = Field(default=12, ge=0, le=30)
    pitch: float = Field(default=8, ge=0, le=20)
    roll: float = Field(default=8, ge=0, le=20)
    gaze: float = Field(default=1, ge=0, le=1.5)


class KeyPose(_Part):
    """The ARKit coefficients a key texture was rendered at, and the part of the face it covers."""

    region: Literal["mouth", "eyes", "brows"]
    coefficients: _Weights = Field(min_length=1)


class Manifest(_Part):
    """``avatar.json``."""

    schema_version: Literal[1] = 1
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    name: str = Field(min_length=1, max_length=80)
    description: str = Field(default="", max_length=400)
    size: int = Field(ge=256, le=1080, multiple_of=2)
    licence: Licence
    consent: Consent
    background: tuple[_Colour, _Colour] = ("#6b7d88", "#3b4852")
    """Top and bottom of a vertical gradient, used when there is no background.webp."""
    pivot: tuple[_Pixel, _Pixel, _Pixel] | None = None
    """Where head meets neck, in texture pixels; estimated from the landmarks when absent."""
    limits: Limits = Limits()
    rest: _Weights = {}
    """Coefficients always added: the resting expression."""
    voice: str | None = Field(default=None, max_length=80)
    seed: int = Field(default=0, ge=0, lt=2**31)
    keys: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,40}$")], KeyPose] = Field(
        default={}, max_length=_MAX_KEYS
    )


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """The face rendered in another pose, from the same camera, with its own landmarks."""

    name: str
    pose: KeyPose
    texture: Pixels = field(repr=False)
    landmarks: Points = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """One face. Pictures are RGBA, straight alpha, ``size`` squared; points are texture pixels.

    ``landmarks`` is (478, 3): x right, y down, z away from the viewer. ``deltas``, where the rig
    has its own, is (52, 478, 3) in ``ARKIT`` order: what each coefficient at 1 adds.
    Read-only once loaded, so that all sessions of a worker share it.
    """

    manifest: Manifest
    texture: Pixels = field(repr=False)
    landmarks: Points = field(repr=False)
    portrait: bytes = field(repr=False)
    deltas: Points | None = field(default=None, repr=False)
    background: Pixels | None = field(default=None, repr=False)
    keys: tuple[Key, ...] = ()


def find(character_id: str) -> Path:
    """The built-in character's file. Raises ``KeyError`` where there is none of that name."""
    for path in Path(__file__).with_name("characters").glob("*.avatar"):
        if path.stem == character_id:
            return path
    raise KeyError(character_id)


def portrait(character_id: str) -> bytes:
    """The character's portrait, a WebP picture ready for a web page."""
    with zipfile.ZipFile(find(character_id)) as archive:
        return archive.read("portrait.webp")


def manifest(path: Path) -> Manifest:
    """The manifest of a rig that is trusted already."""
    with zipfile.ZipFile(path) as archive:
        return Manifest.model_validate_json(archive.read("avatar.json"))


def load(path: Path) -> Rig:
    """Read and check a rig. Raises ``RigError``; ``OSError`` where the file cannot be opened."""
    with path.open("rb") as file:  # never more than would be refused anyway
        return loads(file.read(_MAX_BYTES + 1))


def loads(data: bytes) -> Rig:
    """A rig from the bytes of its file. Raises ``RigError``, whatever the bytes are."""
    files = members(data, len(_FILES) + len(_OPTIONAL) + 2 * _MAX_KEYS)
    if missing := _FILES - set(files):
        raise RigError(f"{min(missing)} is missing")
    try:
        return _read(files)
    except ValidationError as error:
        raise RigError(f"avatar.json: {_explained(error)}") from error


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))[:80]
    if place == "schema_version" and isinstance(version := first["input"], int) and version > 1:
        return f"schema_version {version} is of a newer visavis; this one reads version 1"
    return f"{place}: {first['msg'][:200]}"


def save(rig: Rig, path: Path, *, quality: int = 92) -> None:
    """Write a rig. ``quality`` is WebP's; pictures must be ``manifest.size`` squared."""
    files = {
        "avatar.json": rig.manifest.model_dump_json(indent=2, exclude_none=True).encode(),
        "texture.webp": _encode(rig.texture, quality),
        "landmarks.f32": rig.landmarks.astype("<f4").tobytes(),
        "portrait.webp": rig.portrait,
    }
    if rig.background is not None:
        files["background.webp"] = _encode(rig.background, quality)
    if rig.deltas is not None:
        files["deltas.f16"] = rig.deltas.astype("<f2").tobytes()
    for key in rig.keys:
        files[f"keys/{key.name}.webp"] = _encode(key.texture, quality)
        files[f"keys/{key.name}.f32"] = key.landmarks.astype("<f4").tobytes()
    _read(files)  # what cannot be loaded is not written
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            # a fixed date: the same rig gives the same bytes
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    path.write_bytes(buffer.getvalue())


def _read(files: Mapping[str, bytes]) -> Rig:
    manifest = Manifest.model_validate_json(files["avatar.json"])
    wanted = {f"keys/{name}.{kind}" for name in manifest.keys for kind in ("webp", "f32")}
    if unknown := set(files) - _FILES - _OPTIONAL - wanted:
        raise RigError(f"{min(unknown)[:80]!r} does not belong in a rig")
    if missing := wanted - set(files):
        raise RigError(f"{min(missing)!r} is missing")
    for weights in (manifest.rest, *(pose.coefficients for pose in manifest.keys.values())):
        if strange := set(weights) - set(ARKIT):
            raise RigError(f"avatar.json: {min(strange)[:80]!r} is no ARKit coefficient")
    for name, pose in manifest.keys.items():
        if not any(pose.coefficients.values()):
            raise RigError(f"avatar.json: keys.{name} has no coefficient that is not 0")
    size = manifest.size
    keys = tuple(
        Key(
            name,
            pose,
            _picture(files, f"keys/{name}.webp", size, alpha=True),
            _face(files, f"keys/{name}.f32", size),
        )
        for name, pose in manifest.keys.items()
    )
    webp_size("portrait.webp", files["portrait.webp"])
    return Rig(
        manifest=manifest,
        texture=_picture(files, "texture.webp", size, alpha=True),
        landmarks=_face(files, "landmarks.f32", size),
        portrait=files["portrait.webp"],
        deltas=_numbers(files, "deltas.f16", "<f2", (len(ARKIT), LANDMARKS, 3), size)
        if "deltas.f16" in files
        else None,
        background=_picture(files, "background.webp", size, alpha=False)
        if "background.webp" in files
        else None,
        keys=keys,
    )


def _face(files: Mapping[str, bytes], name: str, size: int) -> Points:
    """Landmarks, (478, 3), that at least lie as those of a face do."""
    points = _numbers(files, name, "<f4", (LANDMARKS, 3), size)
    x, y = points[:, 0] / size, points[:, 1] / size
    if min(x.min(), y.min()) < -0.25 or max(x.max(), y.max()) > 1.25:
        raise RigError(f"{name!r} has points outside the picture")
    least = {"eyes": (33, 263, 0.1), "right eye": (33, 133, 0.015), "left eye": (362, 263, 0.015)}
    for part, (right, left, wide) in (least | {"mouth": (78, 308, 0.02)}).items():
        if x[left] - x[right] < wide:
            raise RigError(f"{name!r} makes no face: {part} too narrow, or mirrored")
    if y[_CHIN] - y[_FOREHEAD] < 0.1:
        raise RigError(f"{name!r} makes no face: the chin is not below the forehead")
    return points


def _numbers(
    files: Mapping[str, bytes], name: str, dtype: str, shape: tuple[int, ...], size: int
) -> Points:
    """Little-endian numbers, all finite and within two picture widths of the picture."""
    data = files[name]
    if len(data) != int(np.prod(shape)) * np.dtype(dtype).itemsize:
        raise RigError(f"{name!r} must hold {'x'.join(map(str, shape))} numbers")
    values = np.frombuffer(data, dtype).reshape(shape).astype(np.float32)
    if not np.isfinite(values).all() or np.abs(values).max() > 3 * size:
        raise RigError(f"{name!r} has points outside the picture")
    values.setflags(write=False)
    return values


def _picture(files: Mapping[str, bytes], name: str, size: int, *, alpha: bool) -> Pixels:
    """RGBA or RGB pixels, shape (size, size, 4 or 3)."""
    import cv2

    if webp_size(name, files[name]) != (size, size):
        raise RigError(f"{name!r} must be {size} by {size} pixels")
    pixels = cv2.imdecode(np.frombuffer(files[name], np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (size, size):  # pyright: ignore[reportUnnecessaryComparison]
        raise RigError(f"{name!r} cannot be decoded")
    if alpha:
        if pixels.shape[2] != 4:
            raise RigError(f"{name!r} has no alpha channel")
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
    else:
        pixels = cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB)
    pixels = np.ascontiguousarray(pixels, np.uint8)
    pixels.setflags(write=False)
    return pixels


def _encode(pixels: Pixels, quality: int) -> bytes:
    import cv2

    code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, data = cv2.imencode(".webp", cv2.cvtColor(pixels, code), [cv2.IMWRITE_WEBP_QUALITY, quality])
    return data.tobytes()


def webp_size(name: str, data: bytes, largest: int = 2048) -> tuple[int, int]:
    """Width and height from a WebP header (RFC 9649), so that a bomb is never decoded."""
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise RigError(f"{name!r} is no WebP picture")
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = struct.unpack("<I", data[21:25])[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", data[26:30]))
    else:
        raise RigError(f"{name!r} is no WebP picture")
    if not (16 <= width <= largest and 16 <= height <= largest):
        raise RigError(f"{name!r} is {width}x{height} pixels")
    return width, height
