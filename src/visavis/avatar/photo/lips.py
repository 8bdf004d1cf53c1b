"""Closes the mouth of a portrait that smiles with teeth or speaks."""

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.topology import (
    LIP_RINGS,
    LOWER_LIP,
    OUTER_EYE_CORNERS,
    UPPER_LIP,
    triangles,
)

F32 = NDArray[np.floating]
U8 = NDArray[np.uint8]

_FOLLOW = np.array([0.5, 0.62, 0.82, 1.0], np.float32)
"""How far each ring of a lip, outside to inside, moves with its edge."""
_UPPER_SHARE = 0.45
"""Of the gap, what the upper lip comes down."""
_INTO_LIP = 0.2
"""Landmarks lie on the edge of the lip, give or take a tooth: pixels are taken from inside it."""


def closed(rgb: U8, landmarks: F32) -> tuple[U8, F32]:
    """The picture (h, w, 3) and its points (478, 3) with the lips together."""
    goal = landmarks.copy()
    source = landmarks[:, :2].copy()
    upper, lower = landmarks[UPPER_LIP[1:-1]], landmarks[LOWER_LIP[1:-1]]
    seam = upper + _UPPER_SHARE * (lower - upper)
    for side, edge in ((0, upper), (1, lower)):
        for ring, share in enumerate(_FOLLOW):
            goal[LIP_RINGS[side, ring, 1:-1]] += share * (seam - edge)
        inner, next_ring = LIP_RINGS[side, 3, 1:-1], LIP_RINGS[side, 2, 1:-1]
        source[inner] += _INTO_LIP * (source[next_ring] - source[inner])
    _pull_skin(goal, landmarks)
    return moved(rgb, source, goal[:, :2]), goal


def _pull_skin(goal: F32, start: F32) -> None:
    """The skin around follows the outer edge of the lips, less and less."""
    unit = np.linalg.norm(np.subtract(*start[OUTER_EYE_CORNERS, :2]))
    rim = np.unique(LIP_RINGS[:, 0].ravel())
    others = np.setdiff1d(np.arange(468), LIP_RINGS.ravel())
    away = np.linalg.norm(start[others, None, :2] - start[None, rim, :2], axis=2) / unit
    share = np.clip(1 - away.min(1) / 0.4, 0, 1) ** 2
    weights = np.exp(-((away / 0.12) ** 2)) + 1e-9
    pull = weights @ (goal[rim] - start[rim]) / weights.sum(1, keepdims=True)
    goal[others] += share[:, None] * pull


def moved(rgb: U8, source: F32, goal: F32) -> U8:
    """Each triangle's pixels moved from ``source`` to ``goal``; what did not move stays."""
    height, width = rgb.shape[:2]
    map_y, map_x = np.mgrid[0:height, 0:width].astype(np.float32)
    faces = triangles()
    stirred = np.abs(goal - source)[faces].max((1, 2)) > 1e-3
    for face in faces[stirred]:
        _fill(map_x, map_y, source[face], goal[face])
    return np.asarray(cv2.remap(rgb, map_x, map_y, cv2.INTER_CUBIC), np.uint8)


def _fill(map_x: F32, map_y: F32, source: F32, goal: F32) -> None:
    """Where one triangle's pixels come from."""
    low = np.floor(goal.min(0)).astype(int)
    high = np.ceil(goal.max(0)).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, map_x.shape[::-1])
    edges = np.column_stack([goal[1] - goal[0], goal[2] - goal[0]])
    if abs(np.linalg.det(edges)) < 1e-3 or (low >= high).any():
        return
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    at = np.linalg.inv(edges) @ np.stack([x.ravel(), y.ravel()] - goal[0][:, None])
    inside = ((at >= -1e-3).all(0) & (at.sum(0) <= 1 + 1e-3)).reshape(x.shape)
    from_x, from_y = source[0][:, None] + np.column_stack(source[1:] - source[0]) @ at
    area = (slice(low[1], high[1]), slice(low[0], high[0]))
    map_x[area][inside] = from_x.reshape(x.shape)[inside]
    map_y[area][inside] = from_y.reshape(x.shape)[inside]
