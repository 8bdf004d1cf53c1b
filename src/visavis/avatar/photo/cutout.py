"""The person without the background, and the background without the person."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.topology import OVAL
from visavis.models.matting import refined

F32 = NDArray[np.floating]
U8 = NDArray[np.uint8]

_FILL_SIDE = 160
_INSIDE = 0.12
"""Of the outline's size: so far within it everything is the person, whatever the network says."""


def alpha(likelihood: F32, rgb: U8, landmarks: F32) -> F32:
    """(h, w) within [0, 1]: how much of each pixel is the person whose face is at ``landmarks``."""
    side = rgb.shape[0]
    rough = np.clip((likelihood - 0.4) / 0.4, 0, 1)
    fine = refined(rough, rgb, max(3, side // 50))
    fine = np.clip((fine - 0.12) / 0.76, 0, 1)
    face = np.zeros(rgb.shape[:2], np.uint8)
    outline = np.asarray(landmarks[OVAL, :2], np.float32)
    outline += np.float32(_INSIDE) * (outline.mean(0) - outline)
    cv2.fillPoly(face, [np.asarray(np.round(outline), np.int32)], 1)
    fine[face > 0] = 1
    return np.where(_one_piece(fine > 0.1, face), fine, 0).astype(np.float32)


def _one_piece(person: NDArray[np.bool_], face: U8) -> NDArray[np.bool_]:
    """Only what hangs together with the face: no lamp, no second person further away."""
    _, labels = cv2.connectedComponents(person.astype(np.uint8))
    at_face = labels[face > 0]
    return labels == np.bincount(at_face[at_face > 0]).argmax()


def colours(rgb: U8, matte: F32) -> tuple[U8, U8]:
    """The person's colours without the background's at the edge, and the background's own.

    Fast foreground estimation by blurring (Forte), from far to near.
    """
    picture = rgb.astype(np.float32)
    share = matte[..., None]
    person, ground = picture, picture
    side = rgb.shape[0]
    for sigma in (side / 16, side / 128):
        person, ground = _estimate(picture, person, ground, share, sigma)
    near = np.clip((share - 0.9) / 0.1, 0, 1)  # where it is all person, its pixels as they are
    person = near * picture + (1 - near) * person
    return _bytes(person), _bytes(ground)


def _bytes(colour: Any) -> U8:
    return np.asarray(np.asarray(colour, np.float32).round().clip(0, 255), np.uint8)


def _estimate(picture: F32, person: F32, ground: F32, share: F32, sigma: float) -> tuple[F32, F32]:
    def spread(colour: F32, weight: F32) -> F32:
        total = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
        return cv2.GaussianBlur(colour * weight, (0, 0), sigma) / (total + 1e-5)

    smooth = spread(person, share)
    behind = spread(ground, 1 - share)
    rest = picture - share * smooth - (1 - share) * behind
    return smooth + share * rest, behind


def backdrop(ground: U8, matte: F32) -> U8 | None:
    """The photo's background, filled in behind the person and out of focus; RGB.

    None where there is too little of it to fill the rest from.
    """
    known = (matte < 0.02).astype(np.float32)
    if known.mean() < 0.12:
        return None
    small = (_FILL_SIDE, _FILL_SIDE)  # it ends up out of focus, and blurs are costly when wide
    known = cv2.erode(known, np.ones((5, 5), np.uint8), iterations=max(1, len(ground) // 150))
    known = np.asarray(cv2.resize(known, small, interpolation=cv2.INTER_AREA), np.float32)
    seen = np.asarray(cv2.resize(ground, small, interpolation=cv2.INTER_AREA), np.float32)
    filled, weight = seen * known[..., None], known.copy()
    for sigma in (_FILL_SIDE * share for share in (1 / 60, 1 / 20, 1 / 6, 1)):
        total = np.asarray(cv2.GaussianBlur(known, (0, 0), sigma), np.float32)
        spread = np.asarray(cv2.GaussianBlur(seen * known[..., None], (0, 0), sigma), np.float32)
        new = np.clip(total / 0.05, 0, 1) * (1 - weight)
        filled += new[..., None] * spread / (total[..., None] + 1e-6)
        weight += new
    filled = filled / np.maximum(weight, 1e-3)[..., None]
    soft = np.asarray(cv2.GaussianBlur(filled, (0, 0), _FILL_SIDE / 70), np.float32)
    return _bytes(cv2.resize(soft, ground.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def gradient(rgb: U8, matte: F32) -> tuple[str, str]:
    """Top and bottom of a calm background in the photo's own hue."""
    ground = rgb[matte < 0.05]
    hue = np.array([107, 125, 136]) if len(ground) < 500 else np.median(ground, axis=0)
    hue = 0.6 * hue + 0.4 * float(np.mean(hue))
    top, bottom = (hue * (level / max(float(np.mean(hue)), 1)) for level in (135, 75))
    return _hex(top), _hex(bottom)


def _hex(colour: F32) -> str:
    return "#" + "".join(f"{round(float(np.clip(c, 0, 255))):02x}" for c in colour)
