"""Faces from photos: ``python -m benchmarks.photo [sheet.jpg]`` prints the table of
docs/photo-avatars.md and writes its picture.

The portraits are those of tests/data/portraits and the built-in character; the rest are made from
them: tilted, darkened, blurred, covered.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from visavis.avatar import rig
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.photo import PhotoRefused, Reason, make_rig
from visavis.avatar.renderer import Renderer
from visavis.media import I420
from visavis.models.catalogue import FACE_MESH, model_path
from visavis.models.download import pull
from visavis.models.face_mesh import FaceMesh

_PORTRAITS = Path(__file__).parents[1] / "tests" / "data" / "portraits"
_CONSENT = rig.Consent(subject="licensed", statement="A public-domain portrait.")
_SIDE = 256
_POSES = {
    "rest": Pose(vector({})),
    "aa": Pose(vector({"jawOpen": 0.5, "mouthLowerDown": 0.15, "mouthUpperUp": 0.1})),
    "e": Pose(vector({"jawOpen": 0.15, "mouthStretch": 0.4, "mouthUpperUp": 0.2})),
    "p": Pose(vector({"mouthPress": 0.5}), close=1.0),
    "smile": Pose(vector({"mouthSmile": 0.7, "cheekSquint": 0.3})),
    "blink": Pose(vector({"eyeBlink": 1})),
    "turned": Pose(vector({}), yaw=0.14),
}


def pictures(mesh: FaceMesh) -> Iterator[tuple[str, np.ndarray]]:
    """(what it is, RGB)"""
    hopper, collins = _read("hopper"), _read("collins")
    yield "Eileen Collins: smiles with teeth, small picture", collins
    yield "Grace Hopper: older woman, glasses, cap", hopper
    for path in sorted(rig.find("ava").parent.glob("*.avatar")):
        name = path.stem.capitalize()
        yield f"{name}, a CC0 character, as if it were a photo", _decoded(rig.portrait(path.stem))
    yield "Hopper, head tilted by 25 degrees", _rotated(hopper, -25)
    yield "Hopper, picture lying on its side", np.ascontiguousarray(np.rot90(hopper))
    yield "Hopper, black and white", cv2.cvtColor(_grey(hopper), cv2.COLOR_GRAY2RGB)
    yield "Hopper, half the light", (hopper * 0.5).astype(np.uint8)
    yield "Mona Lisa: painting, head turned", _read("mona-lisa")
    yield "Hopper, dark glasses drawn on", _dark_glasses(hopper, mesh)
    yield "Hopper, a mask drawn on", _masked(hopper, mesh)
    yield "Hopper, fingers drawn before the mouth", _fingers(hopper, mesh)
    yield "Hopper, a sixth of the light", (hopper * 0.15).astype(np.uint8)
    yield "Hopper, overexposed", np.clip(hopper * 2.6 + 40, 0, 255).astype(np.uint8)
    fade = np.clip(1.9 * (1 - np.linspace(0, 1, hopper.shape[1])) ** 1.3 - 0.3, 0.02, 1)
    yield "Hopper, light from one side", (hopper * fade[None, :, None]).astype(np.uint8)
    yield "Hopper, out of focus", cv2.GaussianBlur(hopper, (0, 0), 5)
    yield "Hopper, 40 % of the size", cv2.resize(hopper, None, fx=0.4, fy=0.4)
    yield "Hopper, half of the face cut off", np.ascontiguousarray(hopper[:, :250])
    yield "Hopper twice", np.hstack([hopper, hopper[:, ::-1]])
    yield "Hopper's uniform without her", np.ascontiguousarray(hopper[400:])


def _read(name: str) -> np.ndarray:
    return _decoded((_PORTRAITS / f"{name}.jpg").read_bytes())


def _decoded(data: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)


def _grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _rotated(rgb: np.ndarray, degrees: float) -> np.ndarray:
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(rgb, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _points(rgb: np.ndarray, mesh: FaceMesh) -> tuple[np.ndarray, float]:
    points = mesh.detect(rgb)[0].landmarks[:, :2]
    return points, float(np.linalg.norm(points[33] - points[263]))


def _dark_glasses(rgb: np.ndarray, mesh: FaceMesh) -> np.ndarray:
    out, (points, unit) = rgb.copy(), _points(rgb, mesh)
    for corners in ([33, 133], [263, 362]):
        x, y = points[corners].mean(0).astype(int)
        size = (int(0.26 * unit), int(0.2 * unit))
        cv2.ellipse(out, (int(x), int(y)), size, 0, 0, 360, (15, 16, 18), -1, cv2.LINE_AA)
    return out


def _masked(rgb: np.ndarray, mesh: FaceMesh) -> np.ndarray:
    out, (points, _) = rgb.copy(), _points(rgb, mesh)
    outline = cv2.convexHull(points[[227, 195, 447, 361, 365, 400, 152, 176, 136, 132]])
    cv2.fillPoly(out, [outline.astype(np.int32)], (160, 190, 215), cv2.LINE_AA)
    return out


def _fingers(rgb: np.ndarray, mesh: FaceMesh) -> np.ndarray:
    out, (points, unit) = rgb.copy(), _points(rgb, mesh)
    skin = np.median([rgb[int(y), int(x)] for x, y in points[[50, 280, 205, 425]]], axis=0)
    for finger in range(4):
        x, y = points[[13, 14]].mean(0)
        y += (0.15 * finger - 0.2) * unit
        size = (int(0.55 * unit), int(0.085 * unit))
        for share, line in ((0.95 - 0.04 * finger, -1), (0.6, 2)):
            colour = tuple(float(c) for c in skin * share)
            cv2.ellipse(out, (int(x), int(y)), size, -6, 0, 360, colour, line, cv2.LINE_AA)
    return out


def _strip(photo: np.ndarray, made: rig.Rig | None) -> np.ndarray:
    """The photo, then the poses; BGR."""
    side = max(photo.shape[:2])
    square = np.full((side, side, 3), 30, np.uint8)
    y, x = (side - photo.shape[0]) // 2, (side - photo.shape[1]) // 2
    square[y : y + photo.shape[0], x : x + photo.shape[1]] = photo[..., ::-1]
    cells = [cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)]
    if made is not None:
        renderer, frame = Renderer(made, (_SIDE, _SIDE)), I420.empty(_SIDE, _SIDE)
        for pose in _POSES.values():
            renderer.draw(pose, frame)
            cells.append(cv2.cvtColor(frame.buffer, cv2.COLOR_YUV2BGR_I420))
    return np.hstack(cells)


def _try(rgb: np.ndarray) -> tuple[rig.Rig | None, str, float]:
    """The rig where there is one, the result in words, and the thread's CPU seconds."""
    _, data = cv2.imencode(".png", rgb[..., ::-1])
    notes: list[Reason] = []
    start = time.thread_time()
    try:
        made = make_rig(data.tobytes(), name="x", rig_id="x", consent=_CONSENT, remark=notes.append)
    except PhotoRefused as error:
        return None, "no: " + " ".join(r.message for r in error.reasons), time.thread_time() - start
    said = " ".join(note.message for note in notes)
    return made, f"**yes**{'; ' + said if said else ''}", time.thread_time() - start


def main() -> None:
    pull(FACE_MESH)
    mesh = FaceMesh(model_path(FACE_MESH.name))
    strips: list[np.ndarray] = []
    refused: list[np.ndarray] = []
    print("| picture | a face? | CPU s |\n|---|---|---|")
    for what, rgb in pictures(mesh):
        made, result, seconds = _try(rgb)
        print(f"| {what} | {result} | {seconds:.1f} |", flush=True)
        (refused if made is None else strips).append(_strip(rgb, made))
    if len(sys.argv) > 1:
        across = 1 + len(_POSES)
        blank = np.full((_SIDE, _SIDE, 3), 30, np.uint8)
        refused += [blank] * (-len(refused) % across)
        rows = [np.hstack(refused[i : i + across]) for i in range(0, len(refused), across)]
        cv2.imwrite(sys.argv[1], np.vstack([*strips, *rows]), [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
