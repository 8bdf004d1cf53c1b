"""The inside of the mouth, in the light of the photo; the person's own teeth where they showed."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import expand, vector
from visavis.avatar.photo.lips import moved
from visavis.avatar.rig import Key, KeyPose
from visavis.avatar.topology import (
    LOWER_LIP,
    OUTER_EYE_CORNERS,
    OVAL,
    UPPER_LIP,
    generic_deltas,
)

F32 = NDArray[np.floating]
U8 = NDArray[np.uint8]

_POSE = expand({"jawOpen": 0.5, "mouthUpperUp": 0.4, "mouthLowerDown": 0.35})
_CAVITY = np.array([46, 16, 17], np.float32)
_TOOTH = np.array([238, 216, 180], np.float32)
_TONGUE = np.array([158, 78, 78], np.float32)
_WHITE_SKIN = 205.0
"""The brightness of well-lit light skin: teeth are painted for that light, then dimmed to this."""
_SHOWED = 0.07
"""Lips further apart than this, in eye distances, showed the teeth behind them."""


@dataclass(frozen=True, slots=True)
class Smile:
    """The photo as it was: what stood between its lips belongs to the person."""

    rgb: U8 = field(repr=False)
    landmarks: F32 = field(repr=False)
    gap: float


def open_mouth(texture: U8, landmarks: F32, before: Smile) -> Key:
    """A key texture with the mouth open, from RGBA ``texture`` whose lips are closed."""
    unit = float(np.linalg.norm(np.subtract(*landmarks[OUTER_EYE_CORNERS, :2])))
    delta = np.tensordot(vector(_POSE), generic_deltas(), 1) * np.float32(unit)
    points = (landmarks + delta).astype(np.float32)
    picture = moved(texture, landmarks[:, :2], points[:, :2])
    rgb = picture[..., :3].astype(np.float32)
    loop = np.concatenate([points[UPPER_LIP, :2], points[LOWER_LIP[::-1], :2]])
    inside = _soft_mask(loop, rgb.shape[:2], grow=unit / 90)
    paint = _lit(_painted(points, landmarks, rgb.shape[:2]), texture, landmarks)
    if before.gap > _SHOWED:
        paint = _with_own_teeth(paint, before, unit)
    rgb += inside * (paint - rgb)
    picture[..., :3] = np.clip(np.round(rgb), 0, 255).astype(np.uint8)
    pose = KeyPose(region="mouth", coefficients={k: round(v, 3) for k, v in _POSE.items()})
    return Key("jawOpen", pose, picture, points)


def _soft_mask(loop: F32, size: tuple[int, ...], grow: float) -> F32:
    """(h, w, 1): 1 inside ``loop`` grown by ``grow`` pixels, 0 outside, soft by a pixel."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(loop * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    if grow >= 1:
        mask = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=int(grow))
    return cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None].astype(np.float32) / 255


def _lit(paint: F32, texture: U8, landmarks: F32) -> F32:
    """``paint`` in the light of the photo, and without colour where the photo has none."""
    face = np.zeros(texture.shape[:2], np.uint8)
    cv2.fillPoly(face, [np.round(landmarks[OVAL, :2]).astype(np.int32)], 1)
    skin = texture[face > 0, :3].astype(np.float32)
    bright = float(np.percentile(skin.mean(1), 92))
    if float(np.ptp(np.median(skin, axis=0))) < 6:
        paint = np.repeat(paint.mean(2, keepdims=True), 3, axis=2)
    return np.asarray(paint * np.clip(bright / _WHITE_SKIN, 0.3, 1.0), np.float32)


def _painted(points: F32, closed: F32, size: tuple[int, ...]) -> F32:
    """(h, w, 3): cavity, tongue and two rows of teeth between the lips at ``points``.

    The upper teeth hang from the skull, so they keep their place by the ``closed`` lips.
    """
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    upper, lower, seam = points[UPPER_LIP, :2], points[LOWER_LIP, :2], closed[UPPER_LIP, :2]
    wide = float(upper[-1, 0] - upper[0, 0])
    u = (x - (upper[0, 0] + upper[-1, 0]) / 2) / (wide / 2)
    top, bottom, hang = (_height(curve, x) for curve in (upper, lower, seam))
    down = (y - top) / wide
    out = _CAVITY * np.clip(1.15 - 1.1 * np.abs(u) ** 3, 0.3, 1)[..., None]
    middle = (float(upper[5, 1]) + float(lower[5, 1])) / 2
    tongue = _soft(1 - np.hypot(u / 0.62, (y - middle - 0.16 * wide) / (0.17 * wide)), 0.5)
    out = out + tongue * (_TONGUE * np.clip(0.85 - 0.3 * u * u, 0, 1)[..., None] - out)
    rise = (bottom - y) / wide
    teeth = _soft(0.07 - 0.03 * u * u - rise, 0.03) * _soft(0.62 - np.abs(u), 0.2)
    shade = 0.62 - 0.25 * u * u
    out = out + 0.85 * teeth * (_TOOTH * shade[..., None] - out)
    edge = hang + wide * (0.085 - 0.05 * u * u)
    teeth = _soft((edge - y) / wide, 0.025) * _soft(0.86 - np.abs(u), 0.16)
    shade = np.clip(0.78 + 3 * down, 0.78, 0.97) * np.clip(1.02 - 0.55 * u * u, 0, 1)
    between = 1 - 0.07 * np.exp(-((np.sin(u * 9.5) / 0.16) ** 2)) * np.clip(1.2 - np.abs(u), 0, 1)
    return np.asarray(out + teeth * (_TOOTH * (shade * between)[..., None] - out), np.float32)


def _height(curve: F32, x: F32) -> F32:
    """The y of a lip's ``curve`` (n, 2) above each ``x``."""
    return np.asarray(np.interp(x, curve[:, 0], curve[:, 1]), np.float32)


def _with_own_teeth(paint: F32, before: Smile, unit: float) -> F32:
    """What the photo showed between its lips, where it was; teeth do not move with the lips."""
    upper, lower = before.landmarks[UPPER_LIP, :2], before.landmarks[LOWER_LIP, :2]
    inset = 0.12 * (lower - upper)
    loop = np.concatenate([upper + inset, (lower - inset)[::-1]])
    mask = _soft_mask(loop, paint.shape[:2], 0)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.8, unit / 120))[..., None]
    return np.asarray(paint + mask * (before.rgb.astype(np.float32) - paint), np.float32)


def _soft(inside: F32, width: float) -> F32:
    """1 inside, 0 outside, over ``width``; with an axis for colour."""
    return np.clip(inside / width + 0.5, 0, 1)[..., None].astype(np.float32)
