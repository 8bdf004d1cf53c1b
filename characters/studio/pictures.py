"""Rendered frames as arrays: load, patch, bleed colour under the edge, compose on a background."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from .spec import Background


def load(path: Path) -> np.ndarray:
    """(size, size, 4) uint8, straight alpha."""
    return np.asarray(Image.open(path).convert("RGBA"))


def patch(whole: np.ndarray, part: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """``part`` inside ``box``, ``whole`` outside, feathered just inside the border."""
    left, top, right, bottom = box
    inside = np.zeros(whole.shape[:2])
    inside[top:bottom, left:right] = 1
    feather = max(4, len(whole) // 64)
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    amount = np.clip((distance - 1) / feather, 0, 1)[..., None]
    return (whole * (1 - amount) + part * amount + 0.5).astype(np.uint8)


def bleed(rgba: np.ndarray) -> np.ndarray:
    """Colour continued outwards where there is nearly nothing, so no dark fringe is filtered in."""
    bare = rgba[..., 3] < 40
    nearest = ndimage.distance_transform_edt(bare, return_distances=False, return_indices=True)
    out = rgba.copy()
    out[..., :3] = rgba[nearest[0], nearest[1], :3]
    return out


def backdrop(background: Background, size: int) -> np.ndarray:
    """(size, size, 3) uint8: a soft radial gradient, brightest behind the head."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    r = np.clip(np.hypot(x - 0.5, y - 0.42) / 0.8, 0, 1)[..., None]
    inner, outer = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], float)
        for c in (background.inner, background.outer)
    )
    r = r * r * (3 - 2 * r)
    dither = np.random.default_rng(0).uniform(-0.5, 0.5, (size, size, 1))  # no bands
    return np.clip(inner * (1 - r) + outer * r + dither + 0.5, 0, 255).astype(np.uint8)


def portrait(rgba: np.ndarray, background: Background, quality: int = 90) -> bytes:
    """WebP of the face on its background."""
    whole = Image.fromarray(backdrop(background, len(rgba))).convert("RGBA")
    whole.alpha_composite(Image.fromarray(rgba))
    buffer = io.BytesIO()
    whole.convert("RGB").save(buffer, "WEBP", quality=quality, method=6)
    return buffer.getvalue()
