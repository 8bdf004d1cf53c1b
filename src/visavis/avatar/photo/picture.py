"""A picture file from a stranger, as upright pixels: its size is known before it is decoded."""

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.photo.reasons import PhotoRefused, refusal

U8 = NDArray[np.uint8]

_MAX_PIXELS = 60_000_000
_WORKING_SIDE = 3000
"""Larger pictures are scaled down to this: more than any face here needs."""
_GREY = 128
"""Behind a picture with transparent parts."""
_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")


def decode(data: bytes) -> U8:
    """RGB, turned as the EXIF data say, at most 3000 pixels a side. Raises ``PhotoRefused``."""
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        raise PhotoRefused(refusal("heic"))
    try:
        size = _size(data)
    except (struct.error, IndexError):
        size = None
    if size is None or min(size) < 16:
        raise PhotoRefused(refusal("not_a_picture"))
    if size[0] * size[1] > _MAX_PIXELS:
        raise PhotoRefused(refusal("too_large"))
    try:
        rgb = _pixels(np.frombuffer(data, np.uint8), size)
    except cv2.error:
        rgb = None
    if rgb is None:
        raise PhotoRefused(refusal("not_a_picture"))
    return _bounded(rgb)


def _pixels(data: U8, size: tuple[int, int]) -> U8 | None:
    if data[:2].tobytes() != b"\xff\xd8":  # PNG and WebP may be transparent
        whole = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if whole is not None and whole.dtype == np.uint8 and whole.shape[2:] == (4,):
            return _opaque(np.asarray(cv2.cvtColor(whole, cv2.COLOR_BGRA2RGBA), np.uint8))
    large = max(size) > 2 * _WORKING_SIDE
    bgr = cv2.imdecode(data, cv2.IMREAD_REDUCED_COLOR_2 if large else cv2.IMREAD_COLOR)
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _opaque(rgba: U8) -> U8:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.round(rgba[..., :3] * alpha + _GREY * (1 - alpha)).astype(np.uint8)


def _bounded(rgb: U8) -> U8:
    height, width = rgb.shape[:2]
    scale = _WORKING_SIDE / max(height, width)
    if scale >= 1:
        return rgb
    side = (round(width * scale), round(height * scale))
    return cv2.resize(rgb, side, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a JPEG, PNG or WebP file."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return struct.unpack(">II", data[16:24])
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data[:2] == b"\xff\xd8":
        return _jpeg_size(data)
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        bits = struct.unpack("<I", data[21:25])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From the frame header, past the segments before it (ISO 10918-1, B.1)."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        if marker == 0xFF:  # a fill byte
            at += 1
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None
