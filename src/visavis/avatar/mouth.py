"""The inside of a mouth, painted: for faces that were never seen with it open."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.mesh import F32, Mesh
from visavis.avatar.topology import CHIN, LOWER_LIP, UPPER_LIP, Indices

_DARK = (38.0, 14.0, 18.0)
_TOOTH = (232.0, 224.0, 212.0)
_TONGUE = (150.0, 66.0, 68.0)


@dataclass(frozen=True, slots=True)
class Painted:
    """The inside of an open mouth: an RGBA picture, the lips it was seen between, its chin's y."""

    picture: NDArray[np.uint8] = field(repr=False)
    upper: F32
    lower: F32
    chin_y: float


def painted(mesh: Mesh) -> Painted:
    """A dark cavity with two rows of teeth and a tongue, as wide as this mouth at rest."""
    width, height = _picture_size(mesh)
    left, seam = mesh.points[UPPER_LIP[0], :2]
    wide = mesh.points[UPPER_LIP[-1], 0] - left
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u = (x + 0.5 - left) / wide * 2 - 1
    v = (y + 0.5 - seam) / wide
    round_off = np.clip(1 - 0.75 * u * u, 0, 1)[..., None]
    out = np.ones((height, width, 3), np.float32) * _DARK
    out *= np.clip(0.9 - 0.8 * (v - 0.2), 0.35, 1)[..., None]
    tongue = _soft(1 - np.hypot(u / 0.72, (v - 0.58) / 0.27), 0.25)
    out += tongue * round_off * (np.array(_TONGUE) * (1.05 - 0.35 * np.abs(u))[..., None] - out)
    lower = _soft(0.085 - np.abs(v - 0.56 + 0.1 * u * u), 0.03)
    out += 0.7 * lower * round_off * (np.array(_TOOTH) * 0.8 - out)
    edge = 0.17 - 0.075 * u * u + 0.004 * np.cos(u * 24)
    upper = _soft(np.minimum(edge - v, v + 0.3), 0.025)
    shine = (0.62 + 0.42 * np.clip((v + 0.05) / 0.2, 0, 1)) * np.clip(1.02 - 0.5 * u * u, 0, 1)
    out += upper * round_off * (np.array(_TOOTH) * shine[..., None] - out)
    picture = np.dstack([np.clip(out, 0, 255), np.full((height, width), 255)]).astype(np.uint8)
    picture = cv2.GaussianBlur(picture, (0, 0), max(0.4, 0.009 * wide)).astype(np.uint8)
    return Painted(
        picture=picture,
        upper=_curve(mesh, UPPER_LIP, -0.02),
        lower=_curve(mesh, LOWER_LIP, 0.62),
        chin_y=float(mesh.points[CHIN, 1] + 0.5 * wide),
    )


def _picture_size(mesh: Mesh) -> tuple[int, int]:
    """Only as much of the picture as the mouth can need."""
    reach = mesh.points[:, :2].max(0) + mesh.unit
    return int(reach[0]), int(reach[1])


def _soft(inside: F32, width: float) -> F32:
    """1 inside, 0 outside, over ``width``; with an axis for colour."""
    return np.clip(inside / width + 0.5, 0, 1)[..., None].astype(np.float32)


def _curve(mesh: Mesh, loop: Indices, depth: float) -> F32:
    """The lip's points at rest, bowed down by ``depth`` mouth widths in the middle."""
    out = mesh.points[loop, :2].copy()
    wide = out[-1, 0] - out[0, 0]
    u = (out[:, 0] - out[:, 0].mean()) / (wide / 2)
    out[:, 1] = out[0, 1] + depth * wide * np.clip(1 - u * u, 0, 1)
    return out
