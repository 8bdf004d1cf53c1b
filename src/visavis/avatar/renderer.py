"""Draws a pose of a rig into I420.

The mesh goes into coarse maps of where each pixel comes from; kernels fetch the pixels. Key
textures are faded in over them by the same triangles; lips and lids are drawn again at full
resolution; then the eyeballs and the inside of the mouth fill their openings, edges antialiased;
then everything is put over the ground. Every buffer is made once; a renderer belongs to one thread
at a time.
"""

import numpy as np

from visavis.avatar import kernels, openings
from visavis.avatar.badge import badge
from visavis.avatar.coefficients import Coefficients, Pose
from visavis.avatar.ground import PLAIN, Look, ground
from visavis.avatar.kernels import CELL
from visavis.avatar.mesh import Posed, place
from visavis.avatar.posing import Indices, gather, widest
from visavis.avatar.rig import Rig
from visavis.avatar.stage import REGIONS, Eyeball, StageKey, stage
from visavis.avatar.topology import CHIN, EYES, LOWER_LIP, UPPER_LIP
from visavis.media import I420

_FAINT = 0.12
"""A key of which a pose has less is not drawn; from there it comes in gradually."""
_EYE_REACH = (0.2, 0.13)
"""How far the iris goes at full gaze, in eye widths."""


class Renderer:
    """One face at one size. ``draw`` costs about 2.5 ms at 512x512 on one thread."""

    def __init__(self, rig: Rig, size: tuple[int, int], look: Look = PLAIN) -> None:
        self.stage = stage(rig, size)
        self._ground = ground(rig, size, look)
        self._badge = badge(size) if look.badge else None
        width, height = size
        nodes = (height // CELL + 1, width // CELL + 1)
        self._map_x, self._map_y, self._mask = (np.zeros(nodes, np.float32) for _ in range(3))
        self._layer = np.zeros((height, width), np.uint64)
        self._everywhere = np.ones(len(self.stage.mesh.points), np.float32)
        self._at = Posed.empty(self.stage.mesh)
        self._back = np.zeros((2, 3), np.float32)
        self._shift = np.zeros(2, np.float32)
        self._lids = np.zeros((2, len(EYES[0][0]), 2), np.float32)
        self._lips = np.zeros((4, len(UPPER_LIP), 2), np.float32)

    def draw(self, pose: Pose, out: I420) -> Posed:
        """Draw into ``out``, BT.601 limited range; returns the mesh as drawn, good until the
        next call."""
        stage, at = self.stage, self._at
        place(stage.mesh, pose, at)
        self._move_pixels(at)
        active = self._active_keys(pose.coefficients)
        for key, alpha in active:
            self._fade_in(key, alpha, at)
        self._draw_lips_and_lids(at, active)
        for (upper, lower, _), ball in zip(EYES, stage.eyes, strict=True):
            self._draw_eye(at, pose, upper, lower, ball)
        self._draw_mouth(at)
        np.copyto(out.buffer, self._ground)
        kernels.compose(self._layer, (0, 0), stage.box, out.buffer)
        if self._badge is not None:
            self._badge.stamp(out.buffer)
        return at

    def _move_pixels(self, at: Posed) -> None:
        stage, mesh, flat = self.stage, self.stage.mesh, self._everywhere
        for points, triangles, source in (
            (at.rings, mesh.ring_triangles, mesh.ring_source),
            (at.face, mesh.holes, stage.source),
            (at.face, mesh.triangles, stage.source),
        ):
            kernels.raster_map(
                points, triangles, source, flat, self._map_x, self._map_y, self._mask
            )
        kernels.fetch(
            self._map_x, self._map_y, stage.sheet, stage.corner, stage.busy, stage.box, self._layer
        )

    def _active_keys(self, coefficients: Coefficients) -> list[tuple[StageKey, float]]:
        """Keys to draw one over the other, so that each ends up with its share of the pose."""
        out: list[tuple[StageKey, float]] = []
        for region in REGIONS:
            keys = self.stage.keys[region]
            shares = [_share(float(key.direction @ coefficients)) for key in keys]
            if region == "eyes":  # two rows of lashes show half-way: let that be over quickly
                shares = [_late(share) for share in shares]
            total = max(1.0, sum(shares))
            left = 1.0
            later: list[tuple[StageKey, float]] = []
            for key, part in zip(reversed(keys), reversed(shares), strict=True):
                share = part / total
                if share > 0.01:
                    later.append((key, min(1.0, share / max(left, 1e-3))))
                    left -= share
            out.extend(reversed(later))
        return out

    def _fade_in(self, key: StageKey, alpha: float, at: Posed) -> None:
        maps = self._map_x, self._map_y, self._mask
        self._mask.fill(0)
        kernels.raster_map(at.face, key.triangles, key.points, key.mask, *maps)
        kernels.fade(*maps, alpha, key.sheet, key.corner, key.box, self._layer)

    def _draw_lips_and_lids(self, at: Posed, active: list[tuple[StageKey, float]]) -> None:
        stage, layer = self.stage, self._layer
        kernels.raster_picture(
            at.face,
            stage.fine,
            stage.source,
            self._everywhere,
            1.0,
            stage.sheet,
            stage.corner,
            layer,
        )
        for key, alpha in active:
            kernels.raster_picture(
                at.face, key.fine, key.points, key.mask, alpha, key.sheet, key.corner, layer
            )

    def _draw_eye(
        self, at: Posed, pose: Pose, upper: Indices, lower: Indices, ball: Eyeball
    ) -> None:
        lids, reach = self._lids, self.stage.gaze * ball.width
        gather(at.face, upper, lids[0])
        gather(at.face, lower, lids[1])
        self._shift[0] = pose.gaze[0] * reach * _EYE_REACH[0]
        self._shift[1] = pose.gaze[1] * reach * _EYE_REACH[1]
        gap = widest(at.still, upper, lower)
        openings.draw_eye(
            self._layer,
            ball.sheet,
            ball.corner,
            lids[0],
            lids[1],
            at.inverse(self.stage.mesh.pivot, ball.depth, self._back),
            ball.iris,
            self._shift,
            0.7 * min(max(1 - gap / ball.open, 0.0), 1.0) ** 2,
        )

    def _draw_mouth(self, at: Posed) -> None:
        mesh, inside, lips = self.stage.mesh, self.stage.interior, self._lips
        gap = widest(at.still, UPPER_LIP, LOWER_LIP)
        if gap < 0.3:
            return
        for n, (points, lip) in enumerate(
            (
                (at.face, UPPER_LIP),
                (at.face, LOWER_LIP),
                (at.still, UPPER_LIP),
                (at.still, LOWER_LIP),
            )
        ):
            gather(points, lip, lips[n])
        depth = float(at.still[UPPER_LIP, 2].mean())
        wide = float(at.still[UPPER_LIP[-1], 0] - at.still[UPPER_LIP[0], 0])
        light = min(1.0, wide / inside.wide) ** 2  # little falls into rounded lips
        openings.draw_mouth(
            self._layer,
            inside.sheet,
            inside.corner,
            lips[0],
            lips[1],
            lips[2],
            lips[3],
            inside.upper,
            inside.lower,
            at.inverse(mesh.pivot, depth, self._back),
            inside.chin_y - float(at.still[CHIN, 1]),
            0.85 * min(max(1 - light * gap / (0.5 * inside.tall), 0.0), 1.0),
        )


def _share(amount: float) -> float:
    """How much of a key to show for how much of it a pose has."""
    return min(1.0, max(0.0, (amount - _FAINT) / (1 - _FAINT)))


def _late(share: float) -> float:
    t = min(1.0, max(0.0, (share - 0.4) / 0.35))
    return t * t * (3 - 2 * t)
