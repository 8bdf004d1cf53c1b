"""Paints the skin and iris textures in numpy, in MakeHuman's texture layout."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from . import makehuman as mh
from .spec import Iris

if TYPE_CHECKING:
    from .anatomy import Head

MOUTH_CAVITY = "#45151a"
SCLERA = "#e8e2dc"

_random = np.random.default_rng(7)
_lattice = [_random.random((64, 64, 64)).astype(np.float32) for _ in range(3)]


def to_linear(colour: str) -> np.ndarray:
    """#rrggbb to linear RGB."""
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def to_srgb8(linear: np.ndarray) -> np.ndarray:
    c = np.clip(linear, 0, 1)
    encoded = np.where(c <= 0.0031308, c * 12.92, 1.055 * c ** (1 / 2.4) - 0.055)
    return (encoded * 255).astype(np.uint8)


def read_mask(name: str, size: int) -> np.ndarray:
    """One of the base mesh's CC0 texture masks, (size, size) in 0..1."""
    image = Image.open(mh.DATA / f"mpfb2/textures/mpfb_{name}.jpg").convert("L")
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).astype(np.float32) / 255


def noise(points: np.ndarray, scale: float, lattice: int = 0) -> np.ndarray:
    at = (points * scale).reshape(-1, 3).T % 62
    values = ndimage.map_coordinates(_lattice[lattice], at, order=1, mode="wrap")
    return values.reshape(points.shape[:-1]) - 0.5


def fractal(points: np.ndarray, scale: float, octaves: int = 4, lattice: int = 0) -> np.ndarray:
    layers = [0.55**i * noise(points, scale * 2**i + 0.37 * i, lattice) for i in range(octaves)]
    return np.sum(layers, axis=0)


def blob(points: np.ndarray, centre: np.ndarray, sigma: tuple[float, float, float]) -> np.ndarray:
    return np.exp(-0.5 * (((points - centre) / np.array(sigma)) ** 2).sum(-1))


class Paint:
    """A layer of linear colour over surface points; ``mix`` glazes another colour on top."""

    def __init__(self, colour: np.ndarray, count: int) -> None:
        self.colour = np.tile(colour.astype(np.float32), (count, 1))

    def mix(self, colour: np.ndarray, amount: np.ndarray) -> None:
        a = np.clip(amount, 0, 1)[..., None].astype(np.float32)
        self.colour = self.colour * (1 - a) + np.asarray(colour, np.float32) * a


def paint_skin(head: "Head", path: Path, size: int = 2048) -> None:
    spec, m = head.spec, head.measures
    points, covered = position_map(head, size)
    at = points[covered]
    mirrored = at * [-1, 1, 1]
    mirrored[:, 0] = -np.abs(mirrored[:, 0])
    mirrored *= [-1, 1, 1]
    base = to_linear(spec.skin.base)
    paint = Paint(base, len(at))
    mottle = fractal(at, 6)

    paint.mix(base * [1.05, 0.92, 0.88], 0.12 * np.clip(fractal(at, 3.1, 3, 1) + 0.25, 0, 1))
    _blush(paint, head, mirrored, mottle, read_mask("ears", size)[covered])
    lids = read_mask("eyelids", size)[covered]
    paint.mix(base * [0.80, 0.63, 0.58], spec.skin.lid_amount * lids)
    _lines(paint, head, mirrored)
    paint.colour *= (1 + 0.012 * mottle + 0.006 * noise(at, 45))[..., None]

    lips = ndimage.gaussian_filter(read_mask("lips", size), 1.5)[covered]
    shade = 1 + 0.06 * fractal(at, 16, 3, 2)
    amount = np.clip(lips * 1.25 - 0.1, 0, 1) * spec.skin.lips_amount
    paint.mix(to_linear(spec.skin.lips) * shade[:, None], amount)

    # behind the first hairs: these make the hairline, not the paint
    inwards = m.above_hairline(at) - 0.09 + 0.10 * fractal(at, 9, 3, 1)
    scalp = 1 / (1 + np.exp(-inwards / 0.035))
    scalp *= 1 - read_mask("ears", size)[covered]
    paint.mix(to_linear(spec.hair.scalp), np.where(lids > 0.3, 0, scalp))
    beard = head.beard_amount(at) * (1 - read_mask("ears", size)[covered])
    shaven = max(spec.skin.stubble, 0.5 * (spec.hair.beard > 0))
    paint.mix(to_linear(spec.hair.scalp), shaven * beard * (1 - lips))
    _brow_shadow(paint, head, mirrored)
    inside = ndimage.gaussian_filter(read_mask("inside-mouth", size), 2.0)[covered]
    paint.mix(to_linear(MOUTH_CAVITY), np.clip(inside * 1.6 - 0.3, 0, 1))

    texture = np.zeros((size, size, 3), np.float32)
    texture[covered] = paint.colour
    nearest = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    Image.fromarray(to_srgb8(texture)[nearest[0], nearest[1]]).save(path)


def _blush(
    paint: Paint, head: "Head", at: np.ndarray, mottle: np.ndarray, ears: np.ndarray
) -> None:
    """Wide and faint: a narrow patch reads as rouge."""
    m, k, red = head.measures, head.spec.skin.blush_amount, to_linear(head.spec.skin.blush)
    paint.mix(red, k * blob(at, m.cheek, (0.24, 0.19, 0.4)) * (1 + 0.2 * mottle))
    paint.mix(red, 0.65 * k * blob(at, m.nose, (0.13, 0.11, 0.16)))
    paint.mix(red, 0.3 * k * blob(at, m.chin, (0.16, 0.11, 0.18)))
    paint.mix(red, 0.5 * k * ears)


def _lines(paint: Paint, head: "Head", at: np.ndarray) -> None:
    """Soft creases: nose to mouth, under the eye, crow's feet, two across the forehead."""
    m, amount = head.measures, head.spec.skin.lines
    if not amount:
        return
    x, y, r = float(m.eye[0]), m.eye_y, m.eye_radius
    nose, mouth = float(m.nose[1]), float(m.mouth[1])
    half_mouth = float(np.abs(head.rest[head.is_lip, 0]).max())
    brow = y + 1.75 * r
    creases = [
        ([(0.17, nose + 0.07), (0.235, nose - 0.02), (half_mouth + 0.055, mouth + 0.10),
          (half_mouth + 0.075, mouth - 0.01)], 0.016, 0.55),
        ([(x - 1.0 * r, y - 0.95 * r), (x - 0.2 * r, y - 1.42 * r), (x + 0.8 * r, y - 1.35 * r)],
         0.018, 0.35),
        *(([(x + 1.62 * r, y + rise * 0.12 * r), (x + 2.0 * r, y + rise * 0.42 * r)], 0.008, 0.4)
          for rise in (1, 0, -1)),
        *(([(0.0, brow + up), (0.3, brow + up + 0.03), (0.5, brow + up + 0.0)], 0.012, 0.22)
          for up in (0.30, 0.44)),
    ]  # fmt: skip
    front = np.clip((at[:, 2] - m.mouth[2] + 0.75) / 0.1, 0, 1)  # not the back of the head
    shade = to_linear(head.spec.skin.base) * [0.55, 0.42, 0.38]
    for corners, width, strength in creases:
        away = _away_from(np.array(corners), at[:, :2])
        paint.mix(shade, amount * strength * front * np.exp(-0.5 * (away / width) ** 2))


def _away_from(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of (n, 2) points from a broken line, growing past its ends so that it fades out."""
    line = np.concatenate([np.linspace(a, b, 12) for a, b in pairwise(corners)])
    taper = 1 + 0.9 * np.abs(np.linspace(-1, 1, len(line))) ** 3
    distance = np.full(len(points), 9.0)
    for point, thin in zip(line, taper, strict=True):
        distance = np.minimum(distance, np.hypot(*(points - point).T) * thin)
    return distance


def _brow_shadow(paint: Paint, head: "Head", at: np.ndarray) -> None:
    distance = np.full(len(at), 9.0)
    for point, width in head.brow_line():
        away = np.linalg.norm((at - np.abs(point)) / [1, 1, 1.6], axis=-1) / max(width, 0.008)
        distance = np.minimum(distance, away)
    paint.mix(to_linear(head.spec.hair.brow), 0.26 * np.clip(1.3 - distance, 0, 1))


def position_map(head: "Head", size: int) -> tuple[np.ndarray, np.ndarray]:
    """For every texel its surface point at rest, and which texels the surface covers."""
    points = np.zeros((size, size, 3), np.float32)
    covered = np.zeros((size, size), bool)
    for face in head.faces:
        for pick in ((0, 1, 2), (0, 2, 3))[: len(face.v) - 2]:
            corners = head.mesh.uvs[[face.uv[i] for i in pick]] * size
            corners[:, 1] = size - corners[:, 1]
            _fill(points, covered, corners, head.rest[[face.v[i] for i in pick]])
    return points, covered


def _fill(points: np.ndarray, covered: np.ndarray, t: np.ndarray, value: np.ndarray) -> None:
    size = len(points)
    x0, y0 = np.maximum(np.floor(t.min(0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(t.max(0)).astype(int) + 2, size)
    (ax, ay), (bx, by), (cx, cy) = t
    area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy)
    if abs(area) < 1e-9:
        return
    x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
    a = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / area
    b = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / area
    weights = np.stack([a, b, 1 - a - b], -1)
    inside = (weights > -0.03).all(-1)
    points[y0:y1, x0:x1][inside] = (weights @ value)[inside]
    covered[y0:y1, x0:x1] |= inside


def paint_iris(iris: Iris, path: Path, size: int = 512, pupil: float = 0.42) -> None:
    """The eye's front: the iris has half of the texture's half size, the sclera lies around it."""
    rng = np.random.default_rng(1)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2 - 1
    r, angle = np.hypot(x, y) / 0.5, np.arctan2(y, x)

    def fibres(count: int) -> np.ndarray:
        waves = [
            np.cos(angle * rng.integers(8, 90) + rng.random() * 6.28 + r * rng.normal() * 2)
            for _ in range(count)
        ]
        return np.sum(waves, axis=0) / np.sqrt(count)

    inner, outer, ring = (to_linear(c) for c in (iris.inner, iris.outer, iris.ring))
    out = np.clip((r - pupil) / (1 - pupil), 0, 1)
    mixed = np.clip(0.5 + 0.32 * fibres(40) * (0.3 + out) + (out - 0.45) * 0.9, 0, 1)[..., None]
    colour = outer * (1 - mixed) + inner * mixed
    colour = colour * (1 + 0.24 * fibres(60) * (1 - 0.5 * out))[..., None]
    colour *= (1 - 0.45 * np.exp(-(((r - pupil) / 0.07) ** 2)))[..., None]
    rim = np.clip((r - 0.80) / 0.2, 0, 1)[..., None] ** 1.6
    colour = colour * (1 - rim) + ring * rim
    colour = colour * np.clip(0.75 + 1.2 * y, 0.4, 1.5)[..., None]  # light gathers below
    black = np.clip((pupil - r) / 0.03 + 0.5, 0, 1)[..., None]
    colour = colour * (1 - black) + 0.002 * black
    white = np.clip((r - 0.95) / 0.10, 0, 1)[..., None]
    colour = colour * (1 - white) + to_linear(SCLERA) * white
    Image.fromarray(to_srgb8(colour)).save(path)
