"""Closed eyes for a portrait that has them open: skin over the eyeballs, lashes along the seam."""

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import expand
from visavis.avatar.photo.lips import moved
from visavis.avatar.rig import Key, KeyPose
from visavis.avatar.topology import EYES, LID_SKIN, OUTER_EYE_CORNERS

F32 = NDArray[np.floating]
U8 = NDArray[np.uint8]

_SEAM = 0.12
"""Closed lids meet this far up from the lower one, as the renderer closes them."""
_FOLLOW = (0.45, 0.1)
"""How far the rings of skin above follow, from the lid outward; as in the renderer."""


def closed_eyes(texture: U8, landmarks: F32) -> Key:
    """A key texture with both eyes closed, from RGBA ``texture`` whose eyes are open."""
    unit = float(np.linalg.norm(np.subtract(*landmarks[OUTER_EYE_CORNERS, :2])))
    points = np.asarray(landmarks, np.float32).copy()
    for (upper, lower, _), skin in zip(EYES, LID_SKIN, strict=True):
        seam = landmarks[lower] + _SEAM * (landmarks[upper] - landmarks[lower])
        down = seam - landmarks[upper]
        points[upper] = points[lower] = seam
        for ring, share in zip(skin, _FOLLOW, strict=True):
            points[ring] += np.float32(share) * down[1:-1]
    picture = moved(texture, landmarks[:, :2], points[:, :2])
    rgb = np.ascontiguousarray(picture[..., :3])
    for upper, lower, _ in EYES:
        rgb = _covered(rgb, landmarks[upper, :2], landmarks[lower, :2], points[upper, :2], unit)
    pose = KeyPose(region="eyes", coefficients=expand({"eyeBlink": 1.0}))
    return Key("blink", pose, np.dstack([rgb, picture[..., 3]]), points)


def _covered(rgb: U8, upper: F32, lower: F32, seam: F32, unit: float) -> U8:
    """One eye painted over with the skin around it, and its lashes drawn along ``seam``."""
    mask = np.zeros(rgb.shape[:2], np.uint8)
    loop = np.concatenate([upper, lower[::-1]])
    cv2.fillPoly(mask, [np.round(loop).astype(np.int32)], 255)
    lashes = max(3, round(unit / 14))  # the opening and the lashes on its rim
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (lashes, lashes)))
    dark = np.percentile(rgb[mask > 0].reshape(-1, 3), 12, axis=0)
    low, high = loop.min(0).astype(int) - lashes * 4, loop.max(0).astype(int) + lashes * 4
    area = slice(max(0, low[1]), high[1]), slice(max(0, low[0]), high[0])
    out = rgb.copy()
    filled = cv2.inpaint(np.ascontiguousarray(rgb[area]), mask[area], 3, cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(filled, (0, 0), max(0.8, unit / 50)).astype(np.float32)
    edge = cv2.GaussianBlur(mask[area], (0, 0), max(0.8, unit / 100))[..., None] / np.float32(255)
    patch = rgb[area] + edge * (smooth - rgb[area])
    line = _line(seam, area, patch.shape[:2], unit)
    patch = patch + 0.8 * line * (dark - patch)
    out[area] = np.clip(np.round(patch), 0, 255).astype(np.uint8)
    return out


def _line(seam: F32, area: tuple[slice, slice], size: tuple[int, ...], unit: float) -> F32:
    """(h, w, 1): the soft line where closed lids meet, thicker than one lash."""
    line = np.zeros(size, np.uint8)
    points = np.round((seam - (area[1].start, area[0].start)) * 16).astype(np.int32)
    cv2.polylines(line, [points], False, 255, max(1, round(unit / 55)), cv2.LINE_AA, 4)
    return cv2.GaussianBlur(line, (0, 0), max(0.6, unit / 220))[..., None] / np.float32(255)
