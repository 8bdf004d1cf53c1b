"""Pixels as four 16-bit lanes of one number: Y, U, V and straight alpha, lowest first.

Textures are kept in the colours of the output (BT.601, limited range), so that nothing is converted
while drawing; one multiplication then mixes all four lanes, which is what makes drawing cheap.
"""

# Numba types the arithmetic in here; pyright would take uint64 and int for two kinds.
# pyright: reportArgumentType=false, reportReturnType=false, reportAssignmentType=false

import numpy as np
from numba import njit
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Sheet = NDArray[np.uint64]
"""(height, width): a picture in lanes."""

inlined = njit(cache=True, nogil=True, fastmath=True, inline="always")

_LOW = np.uint64(0x00FF00FF00FF00FF)
_HALF = np.uint64(0x0080008000800080)
_EIGHT = np.uint64(8)
_BYTE = np.uint64(255)

_TO_YUV = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32
) / np.float32(255)
_OFFSET = np.array([16.5, 128.5, 128.5], np.float32)
"""Where zero lies, and the half that makes cutting off round."""


def pack(rgba: U8) -> Sheet:
    """An RGBA picture as lanes."""
    yuv = rgba[..., :3].astype(np.float32) @ _TO_YUV.T + _OFFSET
    y, u, v = (yuv[..., n].clip(0, 255).astype(np.uint64) for n in range(3))
    alpha = rgba[..., 3].astype(np.uint64)
    return np.ascontiguousarray(
        y | u << np.uint64(16) | v << np.uint64(32) | alpha << np.uint64(48)
    )


@inlined
def blend(one: int, other: int, share: int) -> int:
    """``one`` to ``other`` by ``share``, 0 to 256, in all lanes at once.

    The difference may borrow across lanes: the whole is taken modulo 2**64 and comes out right.
    """
    mixed = (one << _EIGHT) + (other - one) * np.uint64(share) + _HALF
    return (mixed >> _EIGHT) & _LOW


@inlined
def sample(sheet: Sheet, u: int, v: int) -> int:
    """Bilinear. ``u``, ``v`` are index coordinates times 256 that lie within the sheet."""
    i, j = u >> 8, v >> 8
    top = blend(sheet[j, i], sheet[j, i + 1], u & 255)
    low = blend(sheet[j + 1, i], sheet[j + 1, i + 1], u & 255)
    return blend(top, low, v & 255)


@inlined
def fixed(at: float, count: int) -> int:
    """An index coordinate times 256, held within ``count`` pixels."""
    return int(min(max(at * np.float32(256), np.float32(0)), np.float32(count * 256 - 257)))


@inlined
def lane(pixel: int, n: int) -> int:
    """Lane ``n`` as a signed number."""
    return np.int64((pixel >> np.uint64(16 * n)) & _BYTE)


@inlined
def shaded(pixel: int, light: int) -> int:
    """The colour darkened to ``light`` of 256, alpha as it is."""
    y = np.uint64(16 + ((lane(pixel, 0) - 16) * light >> 8))
    u = np.uint64(128 + ((lane(pixel, 1) - 128) * light >> 8))
    v = np.uint64(128 + ((lane(pixel, 2) - 128) * light >> 8))
    alpha = pixel & np.uint64(0x00FF000000000000)
    return y | u << np.uint64(16) | v << np.uint64(32) | alpha
