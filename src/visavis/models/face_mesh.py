"""Where the faces in a picture are, as 478 points each (MediaPipe's models, Apache-2.0).

Three networks, run by OpenCV: BlazeFace finds faces, the face mesh puts 468 points on each, and
the iris model places the lids and the ten points of the irises more exactly than the mesh does.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.floating]
"""float32 at run time; numpy's stubs widen what arithmetic returns."""
U8 = NDArray[np.uint8]

_DETECTOR_SIDE, _MESH_SIDE, _EYE_SIDE = 128, 192, 64
_MIN_SCORE, _MIN_PRESENCE, _SAME_FACE = 0.5, 0.5, 0.3
_SURE_SCORE = 0.75
"""Of a face in a part of the picture: the more one looks, the more one sees what is not there."""
_FACE_ROOM, _EYE_ROOM = 1.5, 2.3
"""How much larger than face or eye the networks want their crops."""
_PASSES = 2
"""The mesh is run again on the crop that its own points ask for."""
_RIGHT_EYE = [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173]
_LEFT_EYE = [263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398]
"""The iris model's first 16 contour points: lower lid from the outer corner, then the upper."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face. ``landmarks`` (478, 3) are pixels: x right, y down, z away from the viewer.

    Points 468-472 are the person's right iris (centre first), 473-477 the left. ``score`` is the
    detector's; ``presence`` the mesh's own word on whether its points lie on a face.
    """

    score: float
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1: from the brows to the chin."""
    presence: float
    landmarks: F32 = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Crop:
    """A square of the picture: centre, side in pixels, and how it is turned, in radians."""

    x: float
    y: float
    side: float
    turn: float = 0.0

    def to_picture(self, size: int) -> F32:
        """(2, 3): from pixels of the ``size`` squared crop to pixels of the picture."""
        scale = self.side / size
        cos, sin = np.cos(self.turn) * scale, np.sin(self.turn) * scale
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = np.array([self.x, self.y]) - linear @ np.full(2, size / 2)
        return np.column_stack([linear, shift]).astype(np.float32)


class FaceMesh:
    """The loaded networks; ``folder`` holds the catalogue's ``face-mesh``. Any thread."""

    def __init__(self, folder: Path) -> None:
        self._detector = load(folder / "face_detection_short_range.tflite")
        self._mesh = load(folder / "face_landmark.tflite")
        self._iris = load(folder / "iris_landmark.tflite")
        self._anchors = _anchors()
        self._lock = threading.Lock()  # a network keeps its input between two calls

    def detect(self, rgb: U8, *, thorough: bool = False) -> list[Face]:
        """The faces in ``rgb`` (height, width, 3), largest first. About 15 ms for one face.

        ``thorough`` also searches parts of the picture, for small faces in the background; that
        is done anyway when the whole shows none.
        """
        with self._lock:
            found = self._search(rgb, _whole(rgb), _MIN_SCORE)
            if thorough or not found:
                found = _distinct(found + self._search(rgb, _parts(rgb), _SURE_SCORE))
            faces = [self._face(rgb, one) for one in found]
        real = [face for face in faces if face.presence >= _MIN_PRESENCE]
        return sorted(_apart(real), key=lambda face: -(face.box[2] - face.box[0]))

    def _search(self, rgb: U8, crops: list[_Crop], least: float) -> list[F32]:
        """Detections (17,): box, six points, score; in pixels."""
        out: list[F32] = []
        for crop in crops:
            pixels = _cut(rgb, crop, _DETECTOR_SIDE) * np.float32(2) - 1
            boxes, scores = run(self._detector, pixels, "regressors", "classificators")
            raw, score = boxes.reshape(-1, 8, 2), _sigmoid(scores.ravel())
            likely = score >= least
            points = raw[likely]
            points[:, [0, *range(2, 8)]] += self._anchors[likely, None] * _DETECTOR_SIDE
            half = points[:, 1] / 2
            points[:, 0], points[:, 1] = points[:, 0] - half, points[:, 0] + half
            placed = _transform(points, crop.to_picture(_DETECTOR_SIDE))
            flat = placed.reshape(-1, 16)
            out += list(np.column_stack([flat, score[likely]]).astype(np.float32))
        return _distinct(out)

    def _face(self, rgb: U8, found: F32) -> Face:
        points = found[:16].reshape(8, 2)
        crop = _around(points[:2], points[2], points[3], _FACE_ROOM)
        landmarks, presence = self._points(rgb, crop)
        for _ in range(_PASSES - 1):
            crop = _around(landmarks[:, :2], landmarks[33], landmarks[263], _FACE_ROOM)
            landmarks, presence = self._points(rgb, crop)
        landmarks = np.concatenate([landmarks, np.zeros((10, 3), np.float32)])
        self._place_eye(rgb, landmarks, _RIGHT_EYE, 468, mirrored=False)
        self._place_eye(rgb, landmarks, _LEFT_EYE, 473, mirrored=True)
        x0, y0, x1, y1 = map(float, found[:4])
        return Face(float(found[16]), (x0, y0, x1, y1), presence, landmarks)

    def _points(self, rgb: U8, crop: _Crop) -> tuple[F32, float]:
        """The 468 points of the face in ``crop``, and how sure the network is of them."""
        pixels = _cut(rgb, crop, _MESH_SIDE)
        raw, presence = run(self._mesh, pixels, "conv2d_21", "conv2d_31")
        placed = _place(raw.reshape(-1, 3), crop, _MESH_SIDE)
        return placed, float(_sigmoid(presence).ravel()[0])

    def _place_eye(
        self, rgb: U8, landmarks: F32, contour: list[int], iris: int, *, mirrored: bool
    ) -> None:
        """Refine the lids of one eye, and add its iris. The network knows right eyes only."""
        outer, inner = landmarks[contour[0], :2], landmarks[contour[8], :2]
        left, right = (inner, outer) if mirrored else (outer, inner)
        crop = _around(np.stack([left, right]), left, right, _EYE_ROOM)
        pixels = _cut(rgb, crop, _EYE_SIDE)
        if mirrored:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        names = "output_eyes_contours_and_brows", "output_iris"
        lids, disc = (out.reshape(-1, 3)[:16] for out in run(self._iris, pixels, *names))
        if mirrored:
            lids[:, 0], disc[:, 0] = _EYE_SIDE - lids[:, 0], _EYE_SIDE - disc[:, 0]
        landmarks[contour, :2] = _place(lids, crop, _EYE_SIDE)[:, :2]
        landmarks[iris : iris + 5, :2] = _place(disc, crop, _EYE_SIDE)[:, :2]
        landmarks[iris : iris + 5, 2] = landmarks[[contour[0], contour[8]], 2].mean()


def load(path: Path) -> Any:
    """A TFLite network; OpenCV reads it, so that no second runtime is needed."""
    if hasattr(cv2.dnn, "ENGINE_CLASSIC"):  # OpenCV 5's new engine gives one output a run
        return cv2.dnn.readNetFromTFLite(str(path), cv2.dnn.ENGINE_CLASSIC)
    return cv2.dnn.readNetFromTFLite(str(path))


def run(network: Any, pixels: F32, *outputs: str) -> list[F32]:
    """The named outputs for ``pixels`` (height, width, 3)."""
    network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32))
    return [np.array(one) for one in cast("list[F32]", network.forward(list(outputs)))]


def _sigmoid(value: F32) -> F32:
    return 1 / (1 + np.exp(-np.clip(value, -50, 50)))


def _anchors() -> F32:
    """(896, 2): where in the unit square each of BlazeFace's guesses is centred."""
    rows: list[F32] = []
    for cells, guesses in ((16, 2), (8, 6)):
        y, x = np.mgrid[0:cells, 0:cells].astype(np.float32)
        centres = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        rows.append(np.repeat(centres, guesses, axis=0))
    return np.concatenate(rows)


def _whole(rgb: U8) -> list[_Crop]:
    """All of the picture; and with room around it, for a face that fills it."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    return [_Crop(width / 2, height / 2, side * room) for room in (1.0, 1.6)]


def _parts(rgb: U8) -> list[_Crop]:
    """Overlapping squares, a half and a quarter of the picture's larger side."""
    height, width = rgb.shape[:2]
    out: list[_Crop] = []
    for share, steps in ((0.5, 3), (0.25, 6)):
        side = max(height, width) * share
        for row in range(steps):
            for column in range(steps):
                x = _along(width, side, column / (steps - 1))
                y = _along(height, side, row / (steps - 1))
                out.append(_Crop(x, y, side))
    return out


def _along(length: float, side: float, share: float) -> float:
    """The centre of a window of ``side`` that slides from one end of ``length`` to the other."""
    margin = min(side, length) / 2
    return margin + share * (length - 2 * margin)


def _around(points: F32, left: F32, right: F32, room: float) -> _Crop:
    """A square around ``points``, upright when ``left`` and ``right`` are level."""
    turn = float(np.arctan2(right[1] - left[1], right[0] - left[0]))
    cos, sin = np.cos(turn), np.sin(turn)
    upright = points @ np.array([[cos, -sin], [sin, cos]], np.float32)
    low, high = upright.min(0), upright.max(0)
    x, y = np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return _Crop(float(x), float(y), float((high - low).max()) * room, turn)


def _cut(rgb: U8, crop: _Crop, size: int) -> F32:
    """The crop as (size, size, 3) within [0, 1], black outside the picture."""
    reach = crop.side * (abs(np.cos(crop.turn)) + abs(np.sin(crop.turn))) / 2 + 2
    x0, y0 = (max(0, int(middle - reach)) for middle in (crop.x, crop.y))
    part = rgb[y0 : max(y0, int(crop.y + reach)) + 1, x0 : max(x0, int(crop.x + reach)) + 1]
    if not part.size:
        return np.zeros((size, size, 3), np.float32)
    matrix = crop.to_picture(size).astype(np.float64)
    matrix[:, 2] -= (x0, y0)
    if crop.side > 3 * size:  # shrinking far needs an average, not samples
        height, width = part.shape[:2]
        share = 1.5 * size / crop.side
        small = (max(1, round(width * share)), max(1, round(height * share)))
        matrix *= np.array([[small[0] / width], [small[1] / height]])
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(part, matrix, (size, size), flags=flags).astype(np.float32) / 255


def _transform(points: F32, matrix: F32) -> F32:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _place(raw: F32, crop: _Crop, size: int) -> F32:
    """A network's points, crop pixels, as pixels of the picture; z on the same scale."""
    flat = _transform(raw[:, :2], crop.to_picture(size))
    return np.column_stack([flat, raw[:, 2] * crop.side / size]).astype(np.float32)


def _distinct(found: list[F32]) -> list[F32]:
    """One detection for each face: the guesses that overlap, averaged by their scores."""
    rest = sorted(found, key=lambda one: -one[16])
    out: list[F32] = []
    while rest:
        same = [one for one in rest if _overlap(rest[0][:4], one[:4]) > _SAME_FACE]
        rest = [one for one in rest[1:] if not any(one is other for other in same)]
        weights = np.array([one[16] for one in same])
        mean = np.average(np.stack(same), axis=0, weights=weights)
        mean[16] = weights.max()
        out.append(mean)
    return out


def _apart(faces: list[Face]) -> list[Face]:
    """Without those whose points ended on a face that is already there."""
    out: list[Face] = []
    for face in sorted(faces, key=lambda one: -one.presence * one.score):
        if not any(_overlap(_extent(face), _extent(other)) > _SAME_FACE for other in out):
            out.append(face)
    return out


def _extent(face: Face) -> F32:
    flat = face.landmarks[:, :2]
    return np.concatenate([flat.min(0), flat.max(0)])


def _overlap(a: F32, b: F32) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:4], b[2:4])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = float(np.prod(a[2:4] - a[:2]) + np.prod(b[2:4] - b[:2]))
    return shared / max(areas - shared, 1e-6)
