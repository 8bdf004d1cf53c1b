"""From a photo to a rig: find the face, check it, turn it upright, cut it out."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.photo import cutout
from visavis.avatar.photo.checks import Shape, angles, look, problems, remarks, shape, turned
from visavis.avatar.photo.lids import closed_eyes
from visavis.avatar.photo.lips import closed
from visavis.avatar.photo.picture import decode
from visavis.avatar.photo.reasons import PhotoRefused, Reason, refusal, remark
from visavis.avatar.photo.teeth import Smile, open_mouth
from visavis.avatar.rig import Consent, Licence, Limits, Manifest, Rig
from visavis.avatar.topology import FOREHEAD, OUTER_EYE_CORNERS
from visavis.models.catalogue import FACE_MESH, model_path
from visavis.models.download import pull
from visavis.models.face_mesh import Face, FaceMesh
from visavis.models.matting import Matting

F32 = NDArray[np.floating]
U8 = NDArray[np.uint8]
Progress = Callable[[str], None]
"""Hears of each step, in a few words."""
Remarks = Callable[[Reason], None]
"""Hears what could be better about a photo that is taken all the same."""

_SIDE, _LEAST_SIDE = 768, 512
_EYES_APART, _EYES_APART_CLOSE = 0.23, 0.31
"""The distance of the outer eye corners as a share of the picture: wanted, and at most."""
_EYE_LEVEL = 0.42
_DEPTH = 0.6
"""The mesh model overstates depth by so much (measured on a baked head of known shape)."""
_RIVAL = 0.5
"""A second face of so much of the first one's width is no bystander."""
_OPEN_MOUTH = 0.02
_LIMITS = Limits(yaw=8, pitch=5, roll=6, gaze=0.7)
"""A photo knows one side of the head only."""


@dataclass(frozen=True, slots=True)
class _Portrait:
    """The square that the rig is made of, RGB, and the face in it."""

    rgb: U8 = field(repr=False)
    landmarks: F32 = field(repr=False)
    top_cut: bool


def make_rig(
    picture: bytes,
    *,
    name: str,
    rig_id: str,
    consent: Consent,
    progress: Progress | None = None,
    remark: Remarks | None = None,
) -> Rig:
    """A rig of the one face in ``picture`` (JPEG, PNG or WebP). Blocks for about two seconds.

    ``progress`` hears of each step, ``remark`` of what could be better about the photo.

    Raises:
        PhotoRefused: with every reason, in plain words.
        PullError: the face models are not here and could not be fetched.
    """
    tell: Progress = progress or _ignore
    note: Remarks = remark or _ignore
    if not FACE_MESH.present:
        tell("Fetching the face models")
        pull(FACE_MESH)
    mesh, matting = _networks(model_path(FACE_MESH.name))
    tell("Looking for the face")
    rgb, face = _find(decode(picture), mesh)
    tell("Checking the photo")
    seen = _check(rgb, face, note)
    tell("Cutting out the person")
    portrait = _framed(rgb, face, mesh)
    if portrait.top_cut:
        note(_top_cut())
    matte = cutout.alpha(matting.likelihood(portrait.rgb), portrait.rgb, portrait.landmarks)
    tell("Making the face")
    return _rig(portrait, matte, seen, _Labels(name, rig_id, consent))


def _ignore(_: object) -> None:
    """Nobody asked."""


@lru_cache(maxsize=1)
def _networks(folder: Path) -> tuple[FaceMesh, Matting]:
    return FaceMesh(folder), Matting(folder)


def _find(rgb: U8, mesh: FaceMesh) -> tuple[U8, Face]:
    """The one face, and the picture turned so that it is about upright."""
    for quarters in (0, 1, 3, 2):
        picture = np.ascontiguousarray(np.rot90(rgb, quarters))
        faces = mesh.detect(picture, thorough=True)
        if not faces:
            continue
        first, *others = faces
        if any(_width(other) > _RIVAL * _width(first) for other in others):
            raise PhotoRefused(refusal("several_faces"))
        if abs(roll := angles(first.landmarks).roll) <= 45:
            return picture, first
        rgb = np.ascontiguousarray(np.rot90(picture, round(roll / 90)))
        again = mesh.detect(rgb)
        return (rgb, again[0]) if again else (picture, first)
    raise PhotoRefused(refusal("no_face"))


def _width(face: Face) -> float:
    return float(np.linalg.norm(np.subtract(*face.landmarks[OUTER_EYE_CORNERS, :2])))


def _check(rgb: U8, face: Face, note: Remarks) -> Shape:
    seen = shape(face.landmarks, (rgb.shape[1], rgb.shape[0]))
    how = look(rgb, face.landmarks)
    if reasons := problems(seen, how):
        raise PhotoRefused(*reasons)
    for reason in remarks(seen, how):
        note(reason)
    return seen


def _framed(rgb: U8, face: Face, mesh: FaceMesh) -> _Portrait:
    """Head and shoulders in a square, the eyes level."""
    turn = -math.radians(angles(face.landmarks).roll)
    box, top_cut = _square(rgb, turned(face.landmarks, turn), turn)
    side = int(np.clip(box[2] // 2 * 2, _LEAST_SIDE, _SIDE))
    scale = side / box[2]
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    matrix = np.column_stack([linear, -scale * np.array(box[:2])])
    if scale < 0.7:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.35 / scale).astype(np.uint8)
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    square = cv2.warpAffine(rgb, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REPLICATE)
    square = square.astype(np.uint8)
    placed = face.landmarks @ np.diag([1, 1, scale]).astype(np.float32)
    placed[:, :2] = placed[:, :2] @ linear.T + matrix[:, 2]
    landmarks = _again(square, placed, mesh).astype(np.float32)
    landmarks[:, 2] *= np.float32(_DEPTH)
    return _Portrait(square, landmarks, top_cut)


def _square(rgb: U8, upright: F32, turn: float) -> tuple[tuple[float, float, float], bool]:
    """(left, top, side) in turned pixels, within the picture where it has room; top cut off?"""
    height, width = rgb.shape[:2]
    right, left = upright[OUTER_EYE_CORNERS, :2]
    unit, middle = float(np.linalg.norm(left - right)), (left + right) / 2
    side = unit / _EYES_APART
    centre = np.array([[width / 2, height / 2, 0]], np.float32)
    low = turned(centre, turn)[0, :2] - (width / 2, height / 2)
    high = low + np.array([width, height])
    side = max(min(side, *(high - low)), unit / _EYES_APART_CLOSE)
    x = middle[0] - side / 2
    y = middle[1] - _EYE_LEVEL * side
    if side <= width:
        x = float(np.clip(x, low[0], high[0] - side))
    if side <= height:
        y = float(np.clip(y, low[1], high[1] - side))
    crown = upright[FOREHEAD, 1] - 0.45 * unit
    return (float(x), float(y), float(side)), bool(crown < low[1])


def _again(square: U8, placed: F32, mesh: FaceMesh) -> F32:
    """The points, found once more in the upright square: that is where the model is best."""
    nose = placed[1, :2]
    near = [
        face.landmarks
        for face in mesh.detect(square)
        if np.linalg.norm(face.landmarks[1, :2] - nose) < 0.05 * len(square)
    ]
    return near[0] if near else placed


def _top_cut() -> Reason:
    return remark("head_cut_off")


@dataclass(frozen=True, slots=True)
class _Labels:
    name: str
    rig_id: str
    consent: Consent


def _rig(portrait: _Portrait, matte: F32, seen: Shape, labels: _Labels) -> Rig:
    person, ground = cutout.colours(portrait.rgb, matte)
    background = cutout.backdrop(ground, matte)
    landmarks = portrait.landmarks
    smile = Smile(person, landmarks, seen.mouth_gap)
    if seen.mouth_gap > _OPEN_MOUTH:
        person, landmarks = closed(person, landmarks)
    texture = np.dstack([person, np.round(matte * 255).astype(np.uint8)])
    keys = (open_mouth(texture, landmarks, smile), closed_eyes(texture, landmarks))
    manifest = Manifest(
        id=labels.rig_id,
        name=labels.name,
        size=len(texture),
        licence=Licence(spdx="LicenseRef-own-photo", credit=labels.name, origin="one photo"),
        consent=labels.consent,
        background=cutout.gradient(portrait.rgb, matte),
        limits=_LIMITS,
        keys={key.name: key.pose for key in keys},
        seed=int.from_bytes(hashlib.sha256(labels.rig_id.encode()).digest()[:4], "big") >> 1,
    )
    return Rig(
        manifest=manifest,
        texture=np.ascontiguousarray(texture),
        landmarks=np.ascontiguousarray(landmarks, np.float32),
        portrait=_webp(portrait.rgb),
        background=background,
        keys=keys,
    )


def _webp(rgb: U8) -> bytes:
    _, data = cv2.imencode(
        ".webp", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 88]
    )
    return data.tobytes()
