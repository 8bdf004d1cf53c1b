"""The rig's geometry at one output size, and what a pose makes of it.

The face is the MediaPipe mesh. Around it lie rings that grow from the outline of the face to the
border of the picture: hair, neck and shoulders, which turn with the head above and not below.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import INDEX, Pose
from visavis.avatar.posing import express, not_past, press, turn, turn_rings, undo
from visavis.avatar.rig import Rig
from visavis.avatar.topology import (
    CHIN,
    EYES,
    FOREHEAD,
    LID_SKIN,
    LIP_RINGS,
    LOWER_LIP,
    OUTER_EYE_CORNERS,
    OVAL,
    UPPER_LIP,
    generic_deltas,
    triangles,
)

F32 = NDArray[np.floating]
"""float32 at run time; numpy's stubs widen what arithmetic returns."""
I32 = NDArray[np.int32]

_RINGS = np.array([1.05, 1.12, 1.22, 1.36, 1.55, 1.85, 2.4, 3.4, 20], np.float32)
"""In sizes of the outline; the last lies beyond any picture's corners."""
_SEAL = np.array([0.0, 0.25, 0.6, 1.0], np.float32)
"""How far each lip ring, outside to inside, follows lips that are pressed together."""
_OPEN_AT_REST = 0.05
"""Lips further apart than this share of the eye distance belong to an open mouth."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """Read-only geometry, in output pixels. ``unit`` is the distance of the outer eye corners."""

    points: F32 = field(repr=False)
    deltas: F32 = field(repr=False)
    unit: float
    pivot: F32
    triangles: I32 = field(repr=False)
    holes: I32 = field(repr=False)
    ring_points: F32 = field(repr=False)
    ring_triangles: I32 = field(repr=False)
    ring_source: F32 = field(repr=False)
    follow: F32 = field(repr=False)
    head: F32 = field(repr=False)

    @classmethod
    def build(cls, rig: Rig, scale: float, offset: float) -> "Mesh":
        """The rig's points times ``scale``, moved ``offset`` pixels to the right."""
        points = rig.landmarks * np.float32(scale)
        points[:, 0] += np.float32(offset)
        unit = float(np.linalg.norm(np.subtract(*points[OUTER_EYE_CORNERS])[:2]))
        own = rig.deltas is not None
        if rig.deltas is None:
            deltas = generic_deltas() * np.float32(unit)
        else:
            deltas = rig.deltas * np.float32(scale)
        _shut_at_rest(points, unit)
        _exact_blink(points, deltas, own)
        if rig.manifest.pivot is None:
            pivot = _neck(points)
        else:
            pivot = np.array(rig.manifest.pivot, np.float32) * np.float32(scale)
            pivot[0] += np.float32(offset)
        rings, follow, head = _rings(points)
        source = np.concatenate([points[OVAL, :2], rings[:, :2]])
        return cls(
            points=points,
            deltas=np.ascontiguousarray(deltas),
            unit=unit,
            pivot=pivot,
            triangles=_facing(points, triangles()),
            holes=_hole_triangles(),
            ring_points=rings,
            ring_triangles=_facing(source, _ring_triangles(len(rings) // len(OVAL))),
            ring_source=np.ascontiguousarray(source),
            follow=follow,
            head=head,
        )


@dataclass(frozen=True, slots=True)
class Posed:
    """The mesh in a pose: ``still`` (478, 3) before the head turns, ``face`` (478, 2) after,
    ``rings`` with the outline first, and the turn itself: ``rotation`` (3, 3), and ``rise`` (1,),
    how much higher breath carries the head. ``place`` writes it anew."""

    still: F32
    face: F32
    rings: F32
    rotation: F32
    rise: F32

    @classmethod
    def empty(cls, mesh: Mesh) -> "Posed":
        count, around = len(mesh.points), len(OVAL) + len(mesh.ring_points)
        shapes = ((count, 3), (count, 2), (around, 2), (3, 3), (1,))
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))

    def inverse(self, pivot: F32, depth: float, out: F32) -> F32:
        """``out`` (2, 3): from drawn pixels back to where they were at ``depth`` before."""
        undo(self.rotation, pivot, depth, float(self.rise[0]), out)
        return out


def posed(mesh: Mesh, pose: Pose) -> Posed:
    """Where every point goes: expression, closed lips and lids, turned head, breath."""
    out = Posed.empty(mesh)
    place(mesh, pose, out)
    return out


def place(mesh: Mesh, pose: Pose, out: Posed) -> None:
    """``posed`` into arrays that are there already."""
    express(mesh.points, mesh.deltas, pose.coefficients, out.still)
    if pose.close > 0:
        press(out.still, LIP_RINGS, _SEAL, float(pose.close))
    not_past(out.still, UPPER_LIP, LOWER_LIP)
    for upper, lower, _ in EYES:
        not_past(out.still, upper, lower)
    _rotation(pose, out.rotation)
    breath = float(pose.breath) * 0.014 * mesh.unit
    rise = 0.6 * breath
    out.rise[0] = rise
    turn(out.still, out.rotation, mesh.pivot, rise, out.face)
    turn_rings(
        *(mesh.points, out.still, out.face, OVAL, mesh.ring_points, mesh.follow, mesh.head),
        *(out.rotation, mesh.pivot, breath, out.rings),
    )


def _rotation(pose: Pose, out: F32) -> None:
    """Roll after yaw after pitch."""
    cy, sy = math.cos(pose.yaw), math.sin(pose.yaw)
    cp, sp = math.cos(pose.pitch), math.sin(pose.pitch)
    cr, sr = math.cos(pose.roll), math.sin(pose.roll)
    out[0, 0], out[0, 1], out[0, 2] = cr * cy, -sr * cp - cr * sy * sp, sr * sp - cr * sy * cp
    out[1, 0], out[1, 1], out[1, 2] = sr * cy, cr * cp - sr * sy * sp, -cr * sp - sr * sy * cp
    out[2, 0], out[2, 1], out[2, 2] = sy, cy * sp, cy * cp


def _shut_at_rest(points: F32, unit: float) -> None:
    """A detector leaves a sliver between closed lips: make them meet."""
    upper, lower = points[UPPER_LIP], points[LOWER_LIP]
    if np.abs(lower - upper)[:, 1].max() < _OPEN_AT_REST * unit:
        points[UPPER_LIP] = points[LOWER_LIP] = (upper + lower) / 2


def _exact_blink(points: F32, deltas: F32, own: bool) -> None:
    """Make eyeBlink at 1 close the eye exactly: the lids meet near the lower one.

    A shared table never fits the aperture of this face, so there the whole movement is built anew.
    """
    for (upper, lower, _), skin, name in zip(
        EYES, LID_SKIN, ("eyeBlinkRight", "eyeBlinkLeft"), strict=True
    ):
        blink = deltas[INDEX[name]]
        if own:
            seam = points[lower] + blink[lower]
        else:
            blink[:] = 0
            seam = points[lower] + 0.12 * (points[upper] - points[lower])
            blink[lower] = seam - points[lower]
        blink[upper] = seam - points[upper]
        if not own:
            for row, share in zip(skin, (0.45, 0.1), strict=True):
                blink[row] = np.float32(share) * blink[upper[1:-1]]


def _neck(points: F32) -> F32:
    """Where the head turns: under the ears, behind the face."""
    outline = points[OVAL]
    tall = points[CHIN, 1] - points[FOREHEAD, 1]
    return np.array(
        [outline[:, 0].mean(), points[CHIN, 1] - 0.02 * tall, outline[:, 2].max()], np.float32
    )


def _rings(points: F32) -> tuple[F32, F32, F32]:
    """Ring points (n, 3); how they follow the outline's expression; how they follow the head."""
    outline = points[OVAL]
    centre = outline.mean(0)
    tall = points[CHIN, 1] - points[FOREHEAD, 1]
    rings: list[F32] = []
    follow: list[F32] = []
    head: list[F32] = []
    for ring in _RINGS:
        at = centre + (outline - centre) * ring
        # hair and ears lie behind the outline, then the silhouette is as deep as it gets
        at[:, 2] = outline[:, 2] + 0.28 * tall * (1 - np.exp(-2.5 * (ring - 1)))
        rings.append(at)
        follow.append(np.full(len(OVAL), max(0.0, 1 - (ring - 1) / 0.5) ** 2))
        below = np.clip((at[:, 1] - points[CHIN, 1] - 0.02 * tall) / (0.5 * tall), 0, 1)
        head.append(1 - below * below * (3 - 2 * below))
    return (
        np.concatenate(rings).astype(np.float32),
        np.concatenate(follow).astype(np.float32)[:, None],
        np.concatenate(head).astype(np.float32)[:, None],
    )


def _ring_triangles(rings: int) -> I32:
    n = len(OVAL)
    here = np.arange(n)
    there = (here + 1) % n
    out = [
        np.concatenate(
            [
                np.stack([k * n + here, k * n + n + here, k * n + n + there], 1),
                np.stack([k * n + here, k * n + n + there, k * n + there], 1),
            ]
        )
        for k in range(rings)
    ]
    return np.concatenate(out[::-1]).astype(np.int32)  # outer rings first: inner ones lie on top


def _hole_triangles() -> I32:
    """Fans over mouth and eyes, so that no cell of the map is left over from another frame."""
    fans: list[tuple[int, int, int]] = []
    for upper, lower in ((UPPER_LIP, LOWER_LIP), *((u, low) for u, low, _ in EYES)):
        for i in range(len(upper) - 1):
            fans.append((upper[i], upper[i + 1], lower[i + 1]))
            fans.append((upper[i], lower[i + 1], lower[i]))
    return np.array([f for f in fans if len(set(f)) == 3], np.int32)


def _facing(points: F32, faces: I32) -> I32:
    """The triangles, all wound so that their area is positive at rest."""
    a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    out = np.where((area < 0)[:, None], faces[:, [0, 2, 1]], faces)
    return np.ascontiguousarray(out, np.int32)
