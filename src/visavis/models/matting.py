"""What of a picture is the person: MediaPipe's selfie segmentation (Apache-2.0)."""

import threading
from pathlib import Path

import cv2
import numpy as np

from visavis.models.face_mesh import F32, U8, load, run

_SIDE = 256


class Matting:
    """The loaded network; ``folder`` holds the catalogue's ``face-mesh``. Any thread."""

    def __init__(self, folder: Path) -> None:
        self._network = load(folder / "selfie_segmentation.tflite")
        self._lock = threading.Lock()

    def likelihood(self, rgb: U8) -> F32:
        """(256, 256) within [0, 1]: how likely each part of ``rgb`` shows a person. Coarse."""
        small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        with self._lock:
            (out,) = run(self._network, small.astype(np.float32) / 255, "activation_10")
        return np.asarray(out.reshape(_SIDE, _SIDE), np.float32)


def refined(likelihood: F32, rgb: U8, radius: int) -> F32:
    """``likelihood`` at the size of ``rgb``, its edges moved to the picture's own.

    ``radius`` in pixels is how far an edge may move. A guided filter with a colour guide (He, Sun,
    Tang), its coefficients found at half the size.
    """
    height, width = rgb.shape[:2]
    full = rgb.astype(np.float32) / 255
    half = (width // 2, height // 2)
    guide = np.asarray(cv2.resize(full, half, interpolation=cv2.INTER_AREA), np.float32)
    rough = np.asarray(cv2.resize(likelihood, half, interpolation=cv2.INTER_CUBIC), np.float32)
    slope, offset = _guided(guide, rough, max(1, radius // 2), 1e-4)
    slope, offset = (cv2.resize(part, (width, height)) for part in (slope, offset))
    return np.clip((full * slope).sum(-1) + offset, 0, 1)


def _guided(guide: F32, value: F32, radius: int, smooth: float) -> tuple[F32, F32]:
    """The local linear model value = slope . guide + offset: (h, w, 3) and (h, w)."""
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(x: F32) -> F32:
        return np.asarray(cv2.blur(x, window), np.float32)

    middle, level = mean(guide), mean(value)
    spread = np.stack([mean(guide * guide[..., c : c + 1]) for c in range(3)], -1)
    spread -= middle[..., :, None] * middle[..., None, :]
    spread += np.float32(smooth) * np.eye(3, dtype=np.float32)
    together = mean(guide * value[..., None]) - middle * level[..., None]
    slope = np.linalg.solve(spread, together[..., None])[..., 0].astype(np.float32)
    return mean(slope), mean(level - (slope * middle).sum(-1))
