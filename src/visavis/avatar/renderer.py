"""Draws a pose of a rig into I420.

The mesh goes into a coarse map of where each pixel comes from; OpenCV's remap moves the pixels.
Key textures are faded in over it by the same triangles; lips and lids are drawn again at full
resolution; then the eyeballs and the inside of the mouth fill their openings, edges antialiased.
Every buffer is made once; a renderer belongs to one thread at a time.
"""

import cv2
import numpy as np

from visavis.avatar import kernels
from visavis.avatar.coefficients import Coefficients, Pose
from visavis.avatar.mesh import F32, Posed, posed
from visavis.avatar.rig import Rig
from visavis.avatar.stage import CELL, REGIONS, U8, Box, StageKey, stage
from visavis.avatar.topology import CHIN, EYES, LOWER_LIP, UPPER_LIP
from visavis.media import I420

_FAINT = 0.12
"""A key of which a pose has less is not drawn; from there it comes in gradually."""
_EYE_REACH = np.array([0.2, 0.13], np.float32)
"""How far the iris goes at full gaze, in eye widths."""


class Renderer:
    """One face at one size. ``draw`` costs about 4 ms at 512×512 on one thread."""

    def __init__(self, rig: Rig, size: tuple[int, int]) -> None:
        cv2.setNumThreads(1)
        self.stage = stage(rig, size)
        width, height = size
        coarse, full = (height // CELL, width // CELL), (height, width)
        self._coarse = [np.zeros(coarse, np.float32) for _ in range(3)]
        self._full = [np.zeros(full, np.float32) for _ in range(3)]
        self._layer = np.zeros((*full, 4), np.uint8)
        self._layer[..., :3] = self.stage.ground  # what lies outside the box stays so
        self._key_layer = np.zeros((*full, 4), np.uint8)
        self._everywhere = np.ones(len(self.stage.mesh.points), np.float32)

    def draw(self, pose: Pose, out: I420) -> Posed:
        """Draw into ``out``, BT.601 limited range; returns the mesh as drawn."""
        at = posed(self.stage.mesh, pose)
        self._move_pixels(at)
        active = self._active_keys(pose.coefficients)
        for key, alpha in active:
            self._fade_in(key, alpha, at)
        self._draw_lips_and_lids(at, active)
        self._draw_eyes(at, pose)
        self._draw_mouth(at)
        kernels.over(self._layer, self.stage.ground, self.stage.box)
        cv2.cvtColor(self._layer, cv2.COLOR_RGBA2YUV_I420, dst=out.buffer)
        return at

    def _move_pixels(self, at: Posed) -> None:
        mesh, maps = self.stage.mesh, self._coarse
        source = np.ascontiguousarray(mesh.points[:, :2])
        flat = self._everywhere
        for points, faces, origin in (
            (at.rings, mesh.ring_triangles, mesh.ring_source),
            (at.face, mesh.holes, source),
            (at.face, mesh.triangles, source),
        ):
            kernels.raster_map(points, faces, origin, flat, 1 / CELL, *maps)
        self._remap(self.stage.texture, self.stage.box, self._layer)

    def _remap(self, texture: U8, box: Box, out: U8) -> None:
        """Scale the coarse maps up within ``box`` and fetch the pixels they point at."""
        x0, y0, x1, y1 = box
        map_x, map_y = (self._scaled_up(n, box) for n in (0, 1))
        cv2.remap(
            texture,
            map_x,
            map_y,
            cv2.INTER_LINEAR,
            dst=out[y0:y1, x0:x1],
            borderMode=cv2.BORDER_REPLICATE,
        )

    def _scaled_up(self, n: int, box: Box) -> F32:
        x0, y0, x1, y1 = box
        coarse = self._coarse[n][y0 // CELL : y1 // CELL, x0 // CELL : x1 // CELL]
        full = self._full[n][y0:y1, x0:x1]
        cv2.resize(coarse, (x1 - x0, y1 - y0), dst=full)
        return full

    def _active_keys(self, coefficients: Coefficients) -> list[tuple[StageKey, float]]:
        """Keys to draw one over the other, so that each ends up with its share of the pose."""
        out: list[tuple[StageKey, float]] = []
        for region in REGIONS:
            keys = self.stage.keys[region]
            shares = [_share(float(key.direction @ coefficients)) for key in keys]
            if region == "eyes":  # two rows of lashes show half-way: let the closed lid come late
                shares = [share * share for share in shares]
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
        self._coarse[2].fill(0)
        kernels.raster_map(at.face, key.triangles, key.points, key.mask, 1 / CELL, *self._coarse)
        self._remap(key.texture, key.box, self._key_layer)
        self._scaled_up(2, key.box)
        kernels.mix(self._key_layer, self._full[2], alpha, key.box, self._layer)

    def _draw_lips_and_lids(self, at: Posed, active: list[tuple[StageKey, float]]) -> None:
        stage = self.stage
        source = np.ascontiguousarray(stage.mesh.points[:, :2])
        kernels.raster_picture(
            at.face, stage.fine, source, self._everywhere, 1.0, stage.texture, self._layer
        )
        for key, alpha in active:
            kernels.raster_picture(
                at.face, key.fine, key.points, key.mask, alpha, key.texture, self._layer
            )

    def _draw_eyes(self, at: Posed, pose: Pose) -> None:
        pivot = self.stage.mesh.pivot
        gaze = np.array(pose.gaze, np.float32) * self.stage.gaze
        for (upper, lower, _), ball in zip(EYES, self.stage.eyes, strict=True):
            rest = self.stage.mesh.points
            open_now = (at.still[lower, 1] - at.still[upper, 1]).max()
            open_rest = (rest[lower, 1] - rest[upper, 1]).max()
            kernels.draw_eye(
                self._layer,
                ball.picture,
                at.face[upper],
                at.face[lower],
                at.inverse(pivot, ball.depth),
                ball.iris,
                gaze * _EYE_REACH * ball.width,
                0.35 * float(np.clip(1 - open_now / open_rest, 0, 1)),
            )

    def _draw_mouth(self, at: Posed) -> None:
        mesh, inside = self.stage.mesh, self.stage.interior
        still_upper = np.ascontiguousarray(at.still[UPPER_LIP, :2])
        still_lower = np.ascontiguousarray(at.still[LOWER_LIP, :2])
        gap = (still_lower - still_upper)[:, 1].max()
        if gap < 0.3:
            return
        full = (inside.lower - inside.upper)[:, 1].max()
        kernels.draw_mouth(
            self._layer,
            inside.picture,
            at.face[UPPER_LIP],
            at.face[LOWER_LIP],
            still_upper,
            still_lower,
            inside.upper,
            inside.lower,
            at.inverse(mesh.pivot, float(at.still[UPPER_LIP, 2].mean())),
            inside.chin_y - float(at.still[CHIN, 1]),
            0.7 * float(np.clip(1 - gap / (0.5 * full), 0, 1)),
        )


def _share(amount: float) -> float:
    """How much of a key to show for how much of it a pose has."""
    return min(1.0, max(0.0, (amount - _FAINT) / (1 - _FAINT)))
