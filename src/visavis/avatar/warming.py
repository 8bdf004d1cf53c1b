"""Compiles the renderer's kernels, or loads them from numba's cache, before anyone waits for it."""

from typing import Any

from numba import types

from visavis.avatar import kernels, openings, posing

_CURVE = types.Array(types.float32, 2, "C")
_CUBE = types.Array(types.float32, 3, "C")
_LINE = types.Array(types.float32, 1, "C")
_FACES = types.Array(types.int32, 2, "C")
_INDICES = types.Array(types.int64, 1, "C")
_RINGS = types.Array(types.int64, 3, "C")
_SHEET = types.Array(types.uint64, 2, "C")
_BYTES = types.Array(types.uint8, 2, "C")
_NUMBER = types.float64
_BOX = types.UniTuple(types.int64, 4)
_CORNER = types.UniTuple(types.int64, 2)

KERNELS: tuple[tuple[Any, tuple[types.Type, ...]], ...] = (
    (kernels.raster_map, (_CURVE, _FACES, _CURVE, _LINE, *(_CURVE,) * 3)),
    (kernels.fetch, (_CURVE, _CURVE, _SHEET, _LINE, _BYTES, _BOX, _SHEET)),
    (kernels.fade, (*(_CURVE,) * 3, _NUMBER, _SHEET, _LINE, _BOX, _SHEET)),
    (kernels.raster_picture, (_CURVE, _FACES, _CURVE, _LINE, _NUMBER, _SHEET, _LINE, _SHEET)),
    (kernels.compose, (_SHEET, _CORNER, _BOX, _BYTES)),
    (openings.draw_eye, (_SHEET, _SHEET, _LINE, *(_CURVE,) * 3, _LINE, _LINE, _NUMBER)),
    (openings.draw_mouth, (_SHEET, _SHEET, _LINE, *(_CURVE,) * 7, _NUMBER, _NUMBER)),
    (posing.express, (_CURVE, _CUBE, _LINE, _CURVE)),
    (posing.press, (_CURVE, _RINGS, _LINE, _NUMBER)),
    (posing.not_past, (_CURVE, _INDICES, _INDICES)),
    (posing.turn, (_CURVE, _CURVE, _LINE, _NUMBER, _CURVE)),
    (
        posing.turn_rings,
        (*(_CURVE,) * 3, _INDICES, *(_CURVE,) * 4, _LINE, _NUMBER, _CURVE),
    ),
    (posing.undo, (_CURVE, _LINE, _NUMBER, _NUMBER, _CURVE)),
    (posing.widest, (_CURVE, _INDICES, _INDICES)),
    (posing.gather, (_CURVE, _INDICES, _CURVE)),
)
"""Every kernel and the types of what it is called with."""


def warm_up() -> None:
    """Seconds where numba has no cache yet, a fraction of one where it has."""
    for kernel, arguments in KERNELS:
        kernel.compile(arguments)
