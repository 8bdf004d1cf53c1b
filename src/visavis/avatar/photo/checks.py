"""Is this a photo that a face can be made of? Measured on landmarks and pixels, said in words."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.photo.reasons import Reason, refusal, remark
from visavis.avatar.topology import (
    CHIN,
    EYES,
    FOREHEAD,
    LIP_RINGS,
    LOWER_LIP,
    OUTER_EYE_CORNERS,
    OVAL,
    UPPER_LIP,
)

F32 = NDArray[np.floating]
U8 = NDArray[np.uint8]

LEAST_HEIGHT = 100
"""Pixels from chin to forehead; the mesh is still exact, the picture already soft."""
_GOOD_HEIGHT = 230
_SAMPLE = 160
"""Faces are scaled to this width before pixels are judged, so that size does not matter."""
_RESTING_PITCH = 4.0
"""What ``angles`` gives for a head that looks straight ahead."""

_COLOURLESS = 2.0
_LEAST_SIDES = 0.4
_RIGHT_CHEEK = [50, 101, 118, 205, 187, 123]
_LEFT_CHEEK = [280, 330, 347, 425, 411, 352]
_UNDER_EYES = [230, 229, 231, 450, 449, 451]
_BESIDE_MOUTH = [216, 212, 202, 204, 436, 432, 422, 424, 200, 199, 164]


@dataclass(frozen=True, slots=True)
class Angles:
    """Of the head, in degrees, positive as in ``coefficients.Pose``."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Shape:
    """What the landmarks alone tell. Gaps are shares of the distance of the outer eye corners."""

    height: float
    angles: Angles
    eyes: tuple[float, float]
    """How far the right and left eye are open, as a share of their width."""
    mouth_gap: float
    inside: bool
    """Whether the whole outline lies in the picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the pixels tell; brightness from 0 to 255."""

    bright: float
    """Of the brightest twentieth of the face: dark skin in good light has bright spots too."""
    washed_out: float
    """The share of the face without any detail left."""
    sides: float
    """The darker cheek's brightness as a share of the other's."""
    sharpness: float
    eye_contrast: float
    """Of the less visible eye: from its dark iris to its white, as a share of the cheek."""
    eye_shade: float
    """How bright the skin under the eyes is, as a share of the cheeks."""
    lips: float
    """How much the lips differ in colour from the skin around them."""
    mouth_line: float
    colour: float
    """How colourful the face is: hardly above 0 in a black and white photo."""
    """How much darker than the lips the line between them is; below 0 where teeth show."""


def angles(landmarks: F32) -> Angles:
    """How the head is turned, from (478, 3) points in any pixels."""
    right, left = landmarks[OUTER_EYE_CORNERS]
    roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    upright = turned(landmarks, -roll)
    across = upright[454] - upright[234]
    down = upright[CHIN] - upright[FOREHEAD]
    return Angles(
        yaw=float(np.degrees(np.arctan2(across[2], across[0]))),
        pitch=float(np.degrees(np.arctan2(down[2], down[1]))) - _RESTING_PITCH,
        roll=float(np.degrees(roll)),
    )


def turned(landmarks: F32, angle: float) -> F32:
    """The points turned in the picture's plane by ``angle`` radians, clockwise."""
    cos, sin = np.cos(angle), np.sin(angle)
    out = landmarks.copy()
    out[:, :2] = landmarks[:, :2] @ np.array([[cos, sin], [-sin, cos]], np.float32)
    return out


def shape(landmarks: F32, size: tuple[int, int]) -> Shape:
    """``landmarks`` (478, 3) in a picture of ``size`` (width, height)."""
    flat = landmarks[:, :2]
    unit = float(np.linalg.norm(np.subtract(*flat[OUTER_EYE_CORNERS])))
    outline, margin = flat[OVAL], 0.1 * unit
    return Shape(
        height=float(np.linalg.norm(flat[CHIN] - flat[FOREHEAD])),
        angles=angles(landmarks),
        eyes=(_openness(flat, 0), _openness(flat, 1)),
        mouth_gap=float(np.linalg.norm(flat[LOWER_LIP] - flat[UPPER_LIP], axis=1).max()) / unit,
        inside=bool((outline > -margin).all() and (outline < np.add(size, margin)).all()),
    )


def _openness(flat: F32, eye: int) -> float:
    upper, lower, _ = EYES[eye]
    gap = np.linalg.norm(flat[upper] - flat[lower], axis=1).max()
    return float(gap / np.linalg.norm(flat[upper[-1]] - flat[upper[0]]))


def look(rgb: U8, landmarks: F32) -> Look:
    """Judge the pixels of the face at ``landmarks`` (478, 3)."""
    face, flat = _sample(rgb, landmarks)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lab = cv2.cvtColor(face, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = grey[_filled(flat[OVAL], grey.shape) > 0]
    cheeks = [_at(grey, flat[points]) for points in (_RIGHT_CHEEK, _LEFT_CHEEK)]
    cheek = max(float(np.mean(cheeks)), 1.0)
    beside = _colour(lab, flat[_BESIDE_MOUTH])
    lips = _colour(lab, np.concatenate([flat[LIP_RINGS[0, 1, 2:-2]], flat[LIP_RINGS[1, 1, 2:-2]]]))
    return Look(
        bright=float(np.percentile(skin, 95)),
        washed_out=float((skin > 250).mean()),
        sides=min(cheeks) / max(*cheeks, 1.0),
        sharpness=_sharpness(grey, flat),
        eye_contrast=min(_eye_contrast(grey, flat, eye) for eye in (0, 1)) / cheek,
        eye_shade=_at(grey, flat[_UNDER_EYES]) / cheek,
        lips=float(np.linalg.norm((lips - beside)[1:])),
        mouth_line=_mouth_line(grey, flat),
        colour=float(np.linalg.norm(np.median(lab[..., 1:], axis=(0, 1)) - 128)),
    )


def _sample(rgb: U8, landmarks: F32) -> tuple[U8, F32]:
    """The face upright and ``_SAMPLE`` pixels wide, with a margin; and its points there."""
    flat = landmarks[:, :2]
    right, left = flat[OUTER_EYE_CORNERS]
    roll = np.arctan2(left[1] - right[1], left[0] - right[0])
    scale = _SAMPLE / float(np.linalg.norm(flat[454] - flat[234]))
    cos, sin = np.cos(-roll) * scale, np.sin(-roll) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    side = round(_SAMPLE * 1.6)
    matrix = np.column_stack([linear, np.full(2, side / 2) - linear @ flat[OVAL].mean(0)])
    if scale < 0.5:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 0.4 / scale), np.uint8)
    face = cv2.warpAffine(rgb, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(face, np.uint8), flat @ linear.T + matrix[:, 2]


def _filled(loop: F32, size: tuple[int, ...]) -> U8:
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(loop).astype(np.int32)], 255)
    return mask


def _at(grey: F32, points: F32) -> float:
    """The mean of small patches around points, which is robust to a mole or a hair."""
    return float(_colour(grey[..., None], points)[0])


def _colour(picture: F32, points: F32) -> F32:
    values: list[F32] = []
    height, width = picture.shape[:2]
    limit = np.array([width - 3, height - 3])
    for x, y in np.clip(np.round(points), 2, limit).astype(int):
        values.append(picture[y - 2 : y + 3, x - 2 : x + 3].reshape(25, -1).mean(0))
    return np.median(np.stack(values), axis=0)


def _sharpness(grey: F32, flat: F32) -> float:
    """Fine detail of eyes and brows, as a share of their contrast."""
    box = np.concatenate([flat[[70, 300, 105, 334]], flat[_UNDER_EYES]])
    (x0, y0), (x1, y1) = box.min(0).astype(int), box.max(0).astype(int)
    part = np.ascontiguousarray(grey[y0 : y1 + 1, x0 : x1 + 1])
    detail = cv2.Laplacian(part, cv2.CV_32F, ksize=3)
    return float(np.std(detail) / max(float(np.std(part)), 4.0))


def _eye_contrast(grey: F32, flat: F32, eye: int) -> float:
    upper, lower, _ = EYES[eye]
    inside = grey[_filled(np.concatenate([flat[upper], flat[lower[::-1]]]), grey.shape) > 0]
    return float(np.percentile(inside, 95) - np.percentile(inside, 5)) if inside.size else 0.0


def _mouth_line(grey: F32, flat: F32) -> float:
    upper, lower = flat[UPPER_LIP[3:-3]], flat[LOWER_LIP[3:-3]]
    seam = _at(grey, (upper + lower) / 2)
    lip = _at(grey, np.concatenate([flat[LIP_RINGS[0, 1, 3:-3]], flat[LIP_RINGS[1, 1, 3:-3]]]))
    return 1 - seam / max(lip, 1.0)


def problems(seen: Shape, how: Look) -> list[Reason]:
    """Why this face is refused; empty when it is fine."""
    out: list[Reason] = []
    if seen.height < LEAST_HEIGHT:
        out.append(refusal("face_too_small", height=round(seen.height), least=LEAST_HEIGHT))
    if not seen.inside:
        out.append(refusal("cut_off"))
    if abs(seen.angles.yaw) > 18:
        out.append(refusal("turned", degrees=round(abs(seen.angles.yaw))))
    if abs(seen.angles.pitch) > 16:
        way = "down" if seen.angles.pitch > 0 else "up"
        out.append(refusal("nodding", way=way, degrees=round(abs(seen.angles.pitch))))
    out += _light_problems(how)
    if how.eye_shade < 0.55 and how.eye_contrast < 0.5:
        out.append(refusal("eyes_hidden"))
    elif max(seen.eyes) < 0.16:
        out.append(refusal("eyes_closed"))
    if _mouth_is_hidden(how):
        out.append(refusal("mouth_hidden"))
    if seen.mouth_gap > 0.26:
        out.append(refusal("mouth_wide_open"))
    return out


def _mouth_is_hidden(how: Look) -> bool:
    """Lips of the skin's own colour, and nothing between them: that is no mouth.

    A black and white photo cannot be judged so.
    """
    if how.colour < _COLOURLESS:
        return False
    return how.lips < 0.13 * how.colour and abs(how.mouth_line) < 0.12


def _light_problems(how: Look) -> list[Reason]:
    out: list[Reason] = []
    if how.bright < 70:
        out.append(refusal("too_dark"))
    if how.washed_out > 0.25:
        out.append(refusal("too_bright"))
    if how.sides < _LEAST_SIDES:
        out.append(refusal("one_sided"))
    if how.sharpness < 0.5:
        out.append(refusal("blurred"))
    return out


def remarks(seen: Shape, how: Look) -> list[Reason]:
    """What could be better about a face that is not refused."""
    out: list[Reason] = []
    if seen.height < _GOOD_HEIGHT:
        out.append(remark("soft", height=round(seen.height)))
    if abs(seen.angles.yaw) > 10:
        out.append(remark("slightly_turned"))
    if seen.mouth_gap > 0.05:
        out.append(remark("mouth_open"))
    if how.sides < 0.6:
        out.append(remark("uneven_light"))
    return out
