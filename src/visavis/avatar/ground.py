"""What is behind the face, as an I420 picture that is made once."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.lanes import U8
from visavis.avatar.rig import Rig, RigError, webp_size

GREEN = "#00b140"
"""Chroma-key green."""
BLACK = "#000000"
_MAX_BYTES = 16 << 20
_MAX_PIXELS = 40_000_000


class GroundError(ValueError):
    """The picture cannot be a background; the message says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn besides the face. ``image`` is a picture on disk, filled to cover the frame;
    ``blur`` 0 to 1 softens whatever is behind; ``badge`` marks the face as an AI's."""

    background: Literal["own", "colour", "image", "green", "transparent"] = "own"
    colour: str = BLACK
    image: Path | None = None
    blur: float = 0.0
    badge: bool = False


PLAIN = Look()
"""The character with what it comes with, and nothing else."""


@lru_cache(maxsize=8)
def ground(rig: Rig, size: tuple[int, int], look: Look) -> U8:
    """I420, (height * 3 // 2, width). Raises ``GroundError`` for a picture it cannot use.

    A video has no holes: "transparent", and "image" without one, are as "own".
    """
    out = cv2.cvtColor(_rgb(rig, size, look), cv2.COLOR_RGB2YUV_I420)
    out.setflags(write=False)
    return out.astype(np.uint8, copy=False)


def _rgb(rig: Rig, size: tuple[int, int], look: Look) -> U8:
    if look.background == "green":
        return _plain(GREEN, size)  # a key must be even: nothing to blur
    if look.background == "colour":
        return _plain(look.colour, size)
    if look.background == "image" and look.image is not None:
        picture = cover(read_picture(look.image), size)
    elif rig.background is not None:
        picture = cover(rig.background, size)
    else:
        picture = _gradient(rig.manifest.background, size)
    return _blurred(picture, look.blur)


def read_picture(path: Path) -> U8:
    """An RGB picture from a PNG, JPEG or WebP file, transparency on white."""
    if path.stat().st_size > _MAX_BYTES:
        raise GroundError(f"the background picture is larger than {_MAX_BYTES >> 20} MiB")
    data = np.frombuffer(path.read_bytes(), np.uint8)
    width, height = _dimensions(data.tobytes())
    if width * height > _MAX_PIXELS:
        raise GroundError(f"the background picture has too many pixels: {width}x{height}")
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise GroundError("the background picture cannot be decoded")
    return _as_rgb(pixels)


def _as_rgb(decoded: NDArray[Any]) -> U8:
    """What OpenCV decoded (grey, BGR or BGRA, 8 or 16 bits) as RGB."""
    deep = decoded.dtype == np.uint16
    pixels = (decoded >> 8 if deep else decoded).astype(np.uint8)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255
        pixels = np.round(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB).astype(np.uint8)


def _dimensions(data: bytes) -> tuple[int, int]:
    """Width and height from the header of a PNG, JPEG or WebP, so that no bomb is decoded."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(b"\xff\xd8"):
        return _jpeg_dimensions(data)
    try:
        return webp_size("the background picture", data, largest=16384)
    except RigError as error:
        raise GroundError("the background picture must be a PNG, JPEG or WebP") from error


def _jpeg_dimensions(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            high, wide = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(wide, "big"), int.from_bytes(high, "big")
        at += 1 if kind == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise GroundError("the background picture cannot be decoded")


def cover(picture: U8, size: tuple[int, int]) -> U8:
    """An RGB picture scaled to fill ``size``, what is too much cut off evenly."""
    width, height = size
    scale = max(width / picture.shape[1], height / picture.shape[0])
    wide = max(width, round(picture.shape[1] * scale))
    tall = max(height, round(picture.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, (wide, tall), interpolation=how)
    x, y = (wide - width) // 2, (tall - height) // 2
    return np.ascontiguousarray(scaled[y : y + height, x : x + width], np.uint8)


def _plain(colour: str, size: tuple[int, int]) -> U8:
    return np.full((size[1], size[0], 3), _parsed(colour), np.uint8)


def _parsed(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _gradient(colours: tuple[str, str], size: tuple[int, int]) -> U8:
    """From the first at the top to the second; dithered, so that it does not band."""
    width, height = size
    top, bottom = (np.array(_parsed(colour)) for colour in colours)
    share = np.linspace(0, 1, height)[:, None, None]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (height, width, 1))
    return np.round(top * (1 - share) + bottom * share + noise).clip(0, 255).astype(np.uint8)


def _blurred(picture: U8, amount: float) -> U8:
    if amount <= 0:
        return picture
    sigma = 0.06 * amount * picture.shape[0]
    # a wide blur of a small picture is the same, and quick
    small = max(1.0, sigma / 4)
    size = (max(2, round(picture.shape[1] / small)), max(2, round(picture.shape[0] / small)))
    shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(shrunk, (0, 0), sigma / small)
    back = cv2.resize(soft, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return back.astype(np.uint8)
