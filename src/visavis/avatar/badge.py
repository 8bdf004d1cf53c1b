"""The mark that tells people they see an AI: a small pill in a corner of the picture."""

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from visavis.avatar.kernels import Box, compose
from visavis.avatar.lanes import U8, Sheet, pack

_FINE = 8
"""Drawn so many times larger, then averaged: smooth edges."""
_SHADE, _INK = 0.55, 0.95
"""How opaque the pill and its letters are."""
_A = np.array([[0.0, 1], [0.37, 0], [0.6, 0], [0.97, 1], [0.75, 1], [0.485, 0.24], [0.22, 1]])
_A_BAR = np.array([[0.2, 0.6], [0.77, 0.6], [0.77, 0.77], [0.2, 0.77]])
_I = np.array([[1.17, 0.0], [1.38, 0], [1.38, 1], [1.17, 1]])
_WIDE = 1.38
"""Letters as polygons in units of their height; together so wide."""


@dataclass(frozen=True, slots=True)
class Badge:
    """``box``: where in the picture it lies, even on all sides."""

    sheet: Sheet = field(repr=False)
    box: Box

    def stamp(self, out: U8) -> None:
        """Put it over the picture in an I420 buffer."""
        compose(self.sheet, self.box[:2], self.box, out)


@lru_cache(maxsize=8)
def badge(size: tuple[int, int]) -> Badge:
    """For a picture of (width, height): in its top left corner, 6 to 3 per cent of its height."""
    tall = 2 * round(7 + 0.01 * min(size))
    wide = 2 * round(0.92 * tall)
    margin = 2 * round(0.012 * min(size) + 2)
    return Badge(pack(_drawn(wide, tall)), (margin, margin, margin + wide, margin + tall))


def _drawn(wide: int, tall: int) -> U8:
    """RGBA (tall, wide, 4): white letters on a dark pill, both translucent."""
    pill = np.zeros((tall * _FINE, wide * _FINE), np.uint8)
    radius = tall * _FINE // 2
    right = wide * _FINE - 1 - radius
    cv2.rectangle(pill, (radius, 0), (right, tall * _FINE), 255, -1)
    for x in (radius, right):
        cv2.circle(pill, (x, radius), radius, 255, -1)
    letters = np.zeros_like(pill)
    high = 0.46 * tall * _FINE
    corner = ((wide * _FINE - _WIDE * high) / 2, (tall * _FINE - high) / 2)
    for shape in (_A, _A_BAR, _I):
        cv2.fillPoly(letters, [np.round(shape * high + corner).astype(np.int32)], 255)
    shade, ink = (
        cv2.resize(mask, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for mask in (pill, letters)
    )
    over = ink * _INK
    alpha = over + _SHADE * shade * (1 - over)
    white = np.divide(over, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    grey = np.round(white * 255)
    return np.dstack([grey, grey, grey, np.round(alpha * 255)]).astype(np.uint8)
