"""A rig made ready for one output size: pictures scaled, geometry built, keys measured.

Made once per worker and shared by all its sessions; nothing in it changes after that.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import Coefficients, vector
from visavis.avatar.kernels import CELL, Box
from visavis.avatar.lanes import U8, Sheet, pack
from visavis.avatar.mesh import F32, I32, Mesh
from visavis.avatar.mouth import painted
from visavis.avatar.rig import Key, Rig
from visavis.avatar.topology import CHIN, EYES, LIP_RINGS, LOWER_LIP, OVAL, UPPER_LIP

REGIONS = ("mouth", "eyes", "brows")


@dataclass(frozen=True, slots=True)
class StageKey:
    """A key texture on this stage. ``mask`` (478,) is the part of the face it speaks for."""

    name: str
    direction: Coefficients = field(repr=False)
    """Its dot product with a pose's coefficients is how much of the key that pose has."""
    sheet: Sheet = field(repr=False)
    corner: F32
    """(2,): where in the picture the sheet's first pixel lies; all else is in picture pixels."""
    points: F32 = field(repr=False)
    """(478, 2)"""
    mask: F32 = field(repr=False)
    box: Box
    """Where it shows; the sheet is cut to it too."""
    triangles: I32 = field(repr=False)
    fine: I32 = field(repr=False)


@dataclass(frozen=True, slots=True)
class Interior:
    """The inside of an open mouth, the lips it was seen between, and its chin's y.

    ``corner`` as in ``StageKey``.
    """

    sheet: Sheet = field(repr=False)
    corner: F32
    upper: F32
    lower: F32
    chin_y: float
    tall: float
    """How far these lips are apart."""
    wide: float
    """The width of the mouth at rest."""


@dataclass(frozen=True, slots=True)
class Eyeball:
    """``iris``: centre x, y, radius, and the radius where nothing moves; ``depth`` its z;
    ``corner`` as in ``StageKey``; ``open`` how far the lids are apart at rest."""

    sheet: Sheet = field(repr=False)
    corner: F32
    iris: F32
    width: float
    depth: float
    open: float


@dataclass(frozen=True, slots=True)
class Stage:
    size: tuple[int, int]
    mesh: Mesh
    source: F32 = field(repr=False)
    """(478, 2): the mesh's points in the sheet."""
    sheet: Sheet = field(repr=False)
    """The whole texture, as high as the frame; a narrow frame shows its middle."""
    corner: F32
    busy: U8 = field(repr=False)
    """A cell for 4x4 pixels of the sheet: 0 where it is transparent far around."""
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
    scale, left = height / rig.manifest.size, (width - height) // 2
    mesh = Mesh.build(rig, scale, left)
    texture = _scaled(rig.texture, height)
    figure = np.argwhere(texture[..., 3] > 0)[:, ::-1] + (left, 0)
    near = np.concatenate([LIP_RINGS.ravel(), *(np.concatenate([u, low]) for u, low, _ in EYES)])
    fine = mesh.triangles[np.isin(mesh.triangles, near).any(1)]
    keys = {
        region: tuple(
            _key(key, mesh, fine, size, scale)
            for key in rig.keys
            if key.pose.region == region and key.name != "eyeWide"
        )
        for region in REGIONS
    }
    return Stage(
        size=size,
        mesh=mesh,
        source=np.ascontiguousarray(mesh.points[:, :2]),
        sheet=pack(texture),
        corner=np.array([left, 0], np.float32),
        busy=_busy(texture),
        box=_box_of(figure, round(height / 40), size),
        fine=fine,
        keys=keys,
        interior=_interior(rig, mesh, size, scale),
        eyes=_eyes(rig, mesh, texture, left),
        rest=vector(rig.manifest.rest),
        gaze=rig.manifest.limits.gaze,
    )


def _key(key: Key, mesh: Mesh, fine: I32, size: tuple[int, int], scale: float) -> StageKey:
    left = (size[0] - size[1]) // 2
    points = _placed(key.landmarks, scale, left)
    pose = vector(key.pose.coefficients)
    mask = _region_mask(key.pose.region, mesh)
    inside = mask[mesh.triangles].max(1) > 0
    covered = np.concatenate([mesh.points[mask > 0, :2], points[mask > 0, :2]])
    box = _box_of(covered, int(0.25 * mesh.unit), size)
    sheet, corner = _crop(_scaled(key.texture, size[1]), box, left)
    return StageKey(
        name=key.name,
        direction=pose / np.float32(pose @ pose),
        sheet=sheet,
        corner=corner,
        points=np.ascontiguousarray(points[:, :2]),
        mask=mask,
        box=box,
        triangles=np.ascontiguousarray(mesh.triangles[inside]),
        fine=np.ascontiguousarray(fine[mask[fine].max(1) > 0]),
    )


def _placed(points: F32, scale: float, offset: float) -> F32:
    """Texture pixels as output pixels."""
    out = points * np.float32(scale)
    out[:, 0] += np.float32(offset)
    return out


def _crop(picture: U8, box: Box, left: int) -> tuple[Sheet, F32]:
    """What of an RGBA picture that begins at ``left`` lies in the box, and its first corner."""
    x0, y0, x1, y1 = box
    x0 = min(max(x0, left), left + picture.shape[1] - CELL)
    x1 = max(x1, x0 + CELL)
    return pack(picture[y0:y1, x0 - left : x1 - left]), np.array([x0, y0], np.float32)


def _busy(texture: U8) -> U8:
    """One cell for 4x4 pixels: 1 where there is anything within two cells."""
    height, width = texture.shape[:2]
    cells = texture[..., 3].reshape(height // CELL, CELL, width // CELL, CELL).max((1, 3))
    return cv2.dilate((cells > 0).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.uint8)


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


def _interior(rig: Rig, mesh: Mesh, size: tuple[int, int], scale: float) -> Interior:
    key = next((key for key in rig.keys if key.name == "jawOpen"), None)
    if key is None:
        inside = painted(mesh)
        picture, upper, lower, chin_y = inside.picture, inside.upper, inside.lower, inside.chin_y
        left = 0
    else:
        left = (size[0] - size[1]) // 2
        points = _placed(key.landmarks, scale, left)[:, :2]
        upper, lower = (np.ascontiguousarray(points[lip]) for lip in (UPPER_LIP, LOWER_LIP))
        picture, chin_y = _scaled(key.texture, size[1]), float(points[CHIN, 1])
    box = _box_of(np.concatenate([upper, lower]), CELL, (left + picture.shape[1], len(picture)))
    sheet, corner = _crop(picture, box, left)
    tall = max(1.0, float((lower - upper)[:, 1].max()))
    wide = float(mesh.points[UPPER_LIP[-1], 0] - mesh.points[UPPER_LIP[0], 0])
    return Interior(sheet, corner, upper, lower, chin_y, tall, wide)


def _eyes(rig: Rig, mesh: Mesh, texture: U8, left: int) -> tuple[Eyeball, Eyeball]:
    key = next((key for key in rig.keys if key.name == "eyeWide"), None)
    scale = len(texture) / rig.manifest.size
    points = (rig if key is None else key).landmarks * np.float32(scale)
    picture = texture if key is None else _scaled(key.texture, len(texture))
    picture = without_lids(picture, points, mesh.unit)
    one, other = (_eyeball(picture, points, mesh, eye, left) for eye in (0, 1))
    return one, other


def _eyeball(picture: U8, points: F32, mesh: Mesh, eye: int, left: int) -> Eyeball:
    """``points`` in pixels of the picture, whose first column is drawn at ``left``."""
    upper, lower, iris = EYES[eye]
    centre = points[iris, :2]
    radius = np.linalg.norm(points[iris + 1 : iris + 5, :2] - centre, axis=1).mean()
    width = float(mesh.points[upper[-1], 0] - mesh.points[upper[0], 0])
    inner = 1.15 * radius
    loop = points[np.concatenate([upper, lower]), :2]
    sheet, corner = _crop(picture, _box_of(loop, int(0.2 * mesh.unit), picture.shape[1::-1]), 0)
    return Eyeball(
        sheet=sheet,
        corner=corner + np.array([left, 0], np.float32),
        iris=np.array([centre[0] + left, centre[1], inner, inner + 0.5 * width], np.float32),
        width=width,
        depth=float(mesh.points[upper, 2].mean()),
        open=max(1.0, float((mesh.points[lower, 1] - mesh.points[upper, 1]).max())),
    )


def without_lids(picture: U8, points: F32, unit: float) -> U8:
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


def _scaled(texture: U8, side: int) -> U8:
    """An RGBA texture, ``side`` squared, colours bled."""
    if len(texture) != side:
        how = cv2.INTER_AREA if len(texture) > side else cv2.INTER_CUBIC
        # alpha must weigh the colours, or what is hidden leaks into the edge
        return cv2.resize(bleed(texture), (side, side), interpolation=how).astype(np.uint8)
    return bleed(texture)


def bleed(texture: U8) -> U8:
    """Give transparent pixels the colour of their nearest visible neighbours."""
    weight = (texture[..., 3] > 8).astype(np.float32)
    known = texture[..., :3] * weight[..., None]
    size = texture.shape[1::-1]
    for shrink in (1, 4, 16):  # ever wider, on ever smaller pictures: as good, and ten times faster
        small = (max(2, size[0] // shrink), max(2, size[1] // shrink))
        spread, share = (
            cv2.GaussianBlur(cv2.resize(part, small, interpolation=cv2.INTER_AREA), (0, 0), 1.5)
            for part in (known, weight)
        )
        spread, share = (cv2.resize(part, size) for part in (spread, share))
        new = (weight < 0.5) & (share > 1e-3)
        known[new] = spread[new] / share[new, None]
        weight[new] = 1
    return np.dstack([np.clip(known, 0, 255).astype(np.uint8), texture[..., 3]])


def _box_of(points: NDArray[np.generic], margin: int, size: tuple[int, int]) -> Box:
    """The smallest box of whole cells around (n, 2) points and a margin, inside the picture."""
    low = (np.floor(points.min(0)).astype(int) - margin) // CELL * CELL
    high = -(-(np.ceil(points.max(0)).astype(int) + margin) // CELL) * CELL
    x0, y0 = np.clip(low, 0, np.array(size) - 2 * CELL)  # kernels need two pixels both ways
    x1, y1 = np.clip(high, (x0 + 2 * CELL, y0 + 2 * CELL), size)
    return int(x0), int(y0), int(x1), int(y1)
