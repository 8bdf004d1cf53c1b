"""A rig made ready for one output size: pictures scaled, geometry built, keys measured.

Made once per worker and shared by all its sessions; nothing in it changes after that.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import Coefficients, vector
from visavis.avatar.mesh import F32, I32, Mesh
from visavis.avatar.mouth import Interior, painted
from visavis.avatar.rig import Key, Rig
from visavis.avatar.topology import CHIN, EYES, LIP_RINGS, LOWER_LIP, OVAL, UPPER_LIP

U8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, all multiples of ``CELL``."""

CELL = 4
"""The mesh is drawn into a map with one cell for so many pixels, both ways."""
REGIONS = ("mouth", "eyes", "brows")


@dataclass(frozen=True, slots=True)
class StageKey:
    """A key texture on this stage. ``mask`` (478,) is the part of the face it speaks for."""

    name: str
    direction: Coefficients = field(repr=False)
    """Its dot product with a pose's coefficients is how much of the key that pose has."""
    texture: U8 = field(repr=False)
    points: F32 = field(repr=False)
    mask: F32 = field(repr=False)
    box: Box
    triangles: I32 = field(repr=False)
    fine: I32 = field(repr=False)


@dataclass(frozen=True, slots=True)
class Eyeball:
    """``iris``: centre x, y, radius, and the radius where nothing moves; ``depth`` its z."""

    picture: U8 = field(repr=False)
    iris: F32
    width: float
    depth: float


@dataclass(frozen=True, slots=True)
class Stage:
    size: tuple[int, int]
    mesh: Mesh
    texture: U8 = field(repr=False)
    ground: U8 = field(repr=False)
    box: Box
    fine: I32 = field(repr=False)
    """Triangles of lips and lids, where the coarse map is not sharp enough."""
    keys: dict[str, tuple[StageKey, ...]]
    interior: Interior
    eyes: tuple[Eyeball, Eyeball]
    rest: Coefficients
    gaze: float


@lru_cache(maxsize=4)
def stage(rig: Rig, size: tuple[int, int]) -> Stage:
    """The rig at ``size``: as high as the picture, in its middle. Sides are multiples of 4."""
    width, height = size
    if width % CELL or height % CELL:
        raise ValueError(f"a picture's sides must be multiples of {CELL}, got {width}x{height}")
    scale, offset = height / rig.manifest.size, (width - height) // 2
    mesh = Mesh.build(rig, scale, offset)
    texture = _canvas(rig.texture, size)
    near = np.concatenate([LIP_RINGS.ravel(), *(np.concatenate([u, low]) for u, low, _ in EYES)])
    fine = mesh.triangles[np.isin(mesh.triangles, near).any(1)]
    keys = {
        region: tuple(
            _key(key, mesh, fine, size, scale, offset)
            for key in rig.keys
            if key.pose.region == region and key.name != "eyeWide"
        )
        for region in REGIONS
    }
    return Stage(
        size=size,
        mesh=mesh,
        texture=texture,
        ground=_ground(rig, size),
        box=_box_of(np.argwhere(texture[..., 3] > 0)[:, ::-1], 12, size),
        fine=fine,
        keys=keys,
        interior=_interior(keys["mouth"], mesh),
        eyes=_eyes(rig, mesh, texture, scale, offset),
        rest=vector(rig.manifest.rest),
        gaze=rig.manifest.limits.gaze,
    )


def _key(
    key: Key, mesh: Mesh, fine: I32, size: tuple[int, int], scale: float, offset: float
) -> StageKey:
    points = key.landmarks * np.float32(scale)
    points[:, 0] += np.float32(offset)
    pose = vector(key.pose.coefficients)
    mask = _region_mask(key.pose.region, mesh)
    inside = mask[mesh.triangles].max(1) > 0
    covered = np.concatenate([mesh.points[mask > 0, :2], points[mask > 0, :2]])
    return StageKey(
        name=key.name,
        direction=pose / np.float32(pose @ pose),
        texture=_canvas(key.texture, size),
        points=np.ascontiguousarray(points[:, :2]),
        mask=mask,
        box=_box_of(covered, int(0.25 * mesh.unit), size),
        triangles=np.ascontiguousarray(mesh.triangles[inside]),
        fine=np.ascontiguousarray(fine[mask[fine].max(1) > 0]),
    )


def _region_mask(region: str, mesh: Mesh) -> F32:
    """(478,) 0 to 1: how much a key of the region counts at each point of the face."""
    points = mesh.points[:, :2] / mesh.unit
    eyes = [points[np.concatenate([u, low])].mean(0) for u, low, _ in EYES]
    eye_y = (eyes[0][1] + eyes[1][1]) / 2
    mouth_y = points[UPPER_LIP, 1].mean()
    if region == "mouth":
        mask = _ramp(points[:, 1], eye_y + 0.2 * (mouth_y - eye_y), eye_y + 0.5 * (mouth_y - eye_y))
    elif region == "eyes":
        away = np.minimum(*(np.linalg.norm((points - e) * (1, 1.5), axis=1) for e in eyes))
        mask = 1 - _ramp(away, 0.26, 0.4)
    else:
        mask = _ramp(-points[:, 1], -eye_y + 0.02, -eye_y + 0.12)
    mask[OVAL] = 0  # a key fades out before the outline, where the coarse map breaks off
    return mask.astype(np.float32)


def _ramp(x: F32, start: float, end: float) -> F32:
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def _interior(mouths: tuple[StageKey, ...], mesh: Mesh) -> Interior:
    for key in mouths:
        if key.name == "jawOpen":
            upper, lower = key.points[UPPER_LIP], key.points[LOWER_LIP]
            return Interior(key.texture, upper, lower, float(key.points[CHIN, 1]))
    return painted(mesh)


def _eyes(
    rig: Rig, mesh: Mesh, texture: U8, scale: float, offset: float
) -> tuple[Eyeball, Eyeball]:
    wide = next((key for key in rig.keys if key.name == "eyeWide"), None)
    if wide is None:
        points, picture = mesh.points, texture
    else:
        points = wide.landmarks * np.float32(scale)
        points[:, 0] += np.float32(offset)
        picture = _canvas(wide.texture, (texture.shape[1], texture.shape[0]))
    picture = _without_lids(picture, points, mesh.unit)
    right, left = (_eyeball(picture, points, mesh, eye) for eye in (0, 1))
    return right, left


def _eyeball(picture: U8, points: F32, mesh: Mesh, eye: int) -> Eyeball:
    upper, _, iris = EYES[eye]
    centre = points[iris, :2]
    radius = np.linalg.norm(points[iris + 1 : iris + 5, :2] - centre, axis=1).mean()
    width = float(mesh.points[upper[-1], 0] - mesh.points[upper[0], 0])
    inner = 1.15 * radius
    return Eyeball(
        picture=picture,
        iris=np.array([*centre, inner, inner + 0.5 * width], np.float32),
        width=width,
        depth=float(mesh.points[upper, 2].mean()),
    )


def _without_lids(picture: U8, points: F32, unit: float) -> U8:
    """The picture with the eyeballs continued under lids and lashes."""
    out = picture.copy()
    for upper, lower, _ in EYES:
        loop = np.concatenate([points[upper, :2], points[lower[::-1], :2]])
        x0, y0, x1, y1 = _box_of(loop, int(0.2 * unit), picture.shape[1::-1])
        mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
        inside = np.round((loop - (x0, y0)) * 16).astype(np.int32)
        cv2.fillPoly(mask, [inside], 0, shift=4)
        mask = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=max(1, round(unit / 90)))
        patch = np.ascontiguousarray(picture[y0:y1, x0:x1, :3])
        out[y0:y1, x0:x1, :3] = cv2.inpaint(patch, mask, 3, cv2.INPAINT_TELEA)
    return out


def _canvas(texture: U8, size: tuple[int, int]) -> U8:
    """RGBA ``size``: the square texture as high as the picture, in its middle, colours bled."""
    width, height = size
    side = texture.shape[0]
    if side != height:
        how = cv2.INTER_AREA if side > height else cv2.INTER_CUBIC
        # alpha must weigh the colours, or what is hidden leaks into the edge
        texture = cv2.resize(_bleed(texture), (height, height), interpolation=how).astype(np.uint8)
    texture = _bleed(texture)
    out = np.zeros((height, width, 4), np.uint8)
    left = (width - height) // 2
    x0, x1 = max(0, left), min(width, left + height)
    out[:, x0:x1] = texture[:, x0 - left : x1 - left]
    return out


def _bleed(texture: U8) -> U8:
    """Give transparent pixels the colour of their nearest visible neighbours."""
    weight = (texture[..., 3] > 8).astype(np.float32)
    known = texture[..., :3] * weight[..., None]
    for sigma in (1.5, 6, 24):
        spread = cv2.GaussianBlur(known, (0, 0), sigma)
        share = cv2.GaussianBlur(weight, (0, 0), sigma)
        new = (weight < 0.5) & (share > 1e-3)
        known[new] = spread[new] / share[new, None]
        weight[new] = 1
    return np.dstack([np.clip(known, 0, 255).astype(np.uint8), texture[..., 3]])


def _ground(rig: Rig, size: tuple[int, int]) -> U8:
    """RGB background; a gradient is dithered so that it does not band."""
    width, height = size
    if rig.background is not None:
        side = max(size)
        picture = cv2.resize(rig.background, (side, side), interpolation=cv2.INTER_AREA)
        y, x = (side - height) // 2, (side - width) // 2
        return np.ascontiguousarray(picture[y : y + height, x : x + width], np.uint8)
    top, bottom = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in rig.manifest.background
    )
    share = np.linspace(0, 1, height)[:, None, None]
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (height, width, 1))
    return np.round(top * (1 - share) + bottom * share + noise).clip(0, 255).astype(np.uint8)


def _box_of(points: NDArray[np.generic], margin: int, size: tuple[int, int]) -> Box:
    """The smallest box of whole cells around (n, 2) points and a margin, inside the picture."""
    low = (np.floor(points.min(0)).astype(int) - margin) // CELL * CELL
    high = -(-(np.ceil(points.max(0)).astype(int) + margin) // CELL) * CELL
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, size)
    return int(x0), int(y0), int(x1), int(y1)
