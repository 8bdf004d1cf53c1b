"""The inner loops of the renderer, compiled by numba. They release the GIL and allocate nothing.

Points are in pixels with pixel centres at +0.5; pictures are sheets (see ``lanes``). The mesh is
drawn into maps with a node at every fourth pixel, which say where in a sheet that pixel comes from;
between the nodes they are interpolated.
"""

# Numba types the arithmetic in here; pyright would take float32 and float for two kinds.
# pyright: reportArgumentType=false, reportReturnType=false, reportAssignmentType=false

import numpy as np
from numba import njit
from numpy.typing import NDArray

from visavis.avatar.lanes import U8, Sheet, blend, fixed, inlined, lane, sample

F32 = NDArray[np.floating]
"""float32 at run time; numpy's stubs widen what arithmetic returns."""
I32 = NDArray[np.int32]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, all multiples of ``CELL``."""

CELL = 4
"""Pixels from node to node, both ways."""

compiled = njit(cache=True, nogil=True, fastmath=True)


@inlined
def _clip(slope: float, rest: float, low: float, high: float) -> tuple[float, float]:
    """The part of ``low..high`` where ``slope * x + rest`` is not below zero, but for rounding."""
    if slope > 1e-12:
        low = max(low, (-1e-4 - rest) / slope)
    elif slope < -1e-12:
        high = min(high, (-1e-4 - rest) / slope)
    elif rest < -1e-4:
        high = low - 1
    return low, high


@compiled
def raster_map(
    points: F32, triangles: I32, source: F32, mask: F32, map_x: F32, map_y: F32, map_mask: F32
) -> None:
    """For every covered node, where in the source sheet it comes from, in painter's order.

    ``points`` and ``source`` are (n, 2), ``mask`` (n,) is carried along. Maps hold sheet indices.
    """
    height, width = map_x.shape
    scale = np.float32(1 / CELL)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0 = points[a, 0] * scale, points[a, 1] * scale
        x1, y1 = points[b, 0] * scale, points[b, 1] * scale
        x2, y2 = points[c, 0] * scale, points[c, 1] * scale
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area <= 1e-7:  # turned away, or folded flat
            continue
        # barycentric weights are planes over the picture: slope in x, in y, and the rest
        p0, q0, r0 = (y1 - y2) / area, (x2 - x1) / area, (x1 * y2 - x2 * y1) / area
        p1, q1, r1 = (y2 - y0) / area, (x0 - x2) / area, (x2 * y0 - x0 * y2) / area
        ux, uy, um = source[a, 0], source[a, 1], mask[a]
        vx, vy, vm = source[b, 0], source[b, 1], mask[b]
        wx, wy, wm = source[c, 0], source[c, 1], mask[c]
        step_x = np.float32(p0 * (ux - wx) + p1 * (vx - wx))
        step_y = np.float32(p0 * (uy - wy) + p1 * (vy - wy))
        step_m = np.float32(p0 * (um - wm) + p1 * (vm - wm))
        left, right = min(x0, x1, x2), max(x0, x1, x2)
        # a node stands for the centre of its pixel
        top = max(0, int(min(y0, y1, y2) - 0.125))
        bottom = min(height - 1, int(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            k0, k1 = q0 * (y + 0.125) + r0, q1 * (y + 0.125) + r1
            low, high = _clip(p0, k0, left - 0.125, right + 0.125)
            low, high = _clip(p1, k1, low, high)
            low, high = _clip(-p0 - p1, 1 - k0 - k1, low, high)
            first = max(0, int(np.ceil(low - 0.125)))
            last = min(width - 1, int(np.floor(high - 0.125)))
            w0, w1 = p0 * (first + 0.125) + k0, p1 * (first + 0.125) + k1
            at_x = np.float32(w0 * ux + w1 * vx + (1 - w0 - w1) * wx - 0.5)
            at_y = np.float32(w0 * uy + w1 * vy + (1 - w0 - w1) * wy - 0.5)
            at_m = np.float32(w0 * um + w1 * vm + (1 - w0 - w1) * wm)
            for x in range(first, last + 1):
                far = np.float32(x - first)
                map_x[y, x] = at_x + far * step_x
                map_y[y, x] = at_y + far * step_y
                map_mask[y, x] = at_m + far * step_m


@inlined
def _between(one: int, other: int, step: int) -> int:
    """A quarter step from ``one`` towards ``other``."""
    return one + ((other - one) * step >> 2)


@compiled
def fetch(
    map_x: F32, map_y: F32, sheet: Sheet, corner: F32, busy: U8, box: Box, layer: Sheet
) -> None:
    """Fill ``layer`` within ``box`` with the pixels that the maps point at.

    ``busy`` (a cell for 4x4 pixels of the sheet) is 0 where the sheet is transparent far around.
    """
    x0, y0, x1, y1 = box
    height, width = sheet.shape
    for j in range(y0 // CELL, y1 // CELL):
        for i in range(x0 // CELL, x1 // CELL):
            u00, v00 = fixed(map_x[j, i] - corner[0], width), fixed(map_y[j, i] - corner[1], height)
            u11, v11 = (
                fixed(map_x[j + 1, i + 1] - corner[0], width),
                fixed(map_y[j + 1, i + 1] - corner[1], height),
            )
            if busy[v00 >> 10, u00 >> 10] == 0 and busy[v11 >> 10, u11 >> 10] == 0:
                for y in range(CELL * j, CELL * j + CELL):
                    for x in range(CELL * i, CELL * i + CELL):
                        layer[y, x] = np.uint64(0)
                continue
            u01, v01 = (
                fixed(map_x[j, i + 1] - corner[0], width),
                fixed(map_y[j, i + 1] - corner[1], height),
            )
            u10, v10 = (
                fixed(map_x[j + 1, i] - corner[0], width),
                fixed(map_y[j + 1, i] - corner[1], height),
            )
            for down in range(CELL):
                ul, ur = _between(u00, u10, down), _between(u01, u11, down)
                vl, vr = _between(v00, v10, down), _between(v01, v11, down)
                for right in range(CELL):
                    u, v = _between(ul, ur, right), _between(vl, vr, right)
                    layer[CELL * j + down, CELL * i + right] = sample(sheet, u, v)


@compiled
def fade(
    map_x: F32,
    map_y: F32,
    map_mask: F32,
    alpha: float,
    sheet: Sheet,
    corner: F32,
    box: Box,
    layer: Sheet,
) -> None:
    """Mix the pixels that the maps point at into ``layer`` by ``alpha`` times mask, in a box.

    The sheet's first pixel is the picture's ``corner``; the maps hold picture indices.
    """
    x0, y0, x1, y1 = box
    height, width = sheet.shape
    full = np.float32(alpha * 256)
    for j in range(y0 // CELL, y1 // CELL):
        for i in range(x0 // CELL, x1 // CELL):
            k00, k01 = int(map_mask[j, i] * full), int(map_mask[j, i + 1] * full)
            k10, k11 = int(map_mask[j + 1, i] * full), int(map_mask[j + 1, i + 1] * full)
            if k00 + k01 + k10 + k11 <= 0:
                continue
            u00, v00 = fixed(map_x[j, i] - corner[0], width), fixed(map_y[j, i] - corner[1], height)
            u01, v01 = (
                fixed(map_x[j, i + 1] - corner[0], width),
                fixed(map_y[j, i + 1] - corner[1], height),
            )
            u10, v10 = (
                fixed(map_x[j + 1, i] - corner[0], width),
                fixed(map_y[j + 1, i] - corner[1], height),
            )
            u11, v11 = (
                fixed(map_x[j + 1, i + 1] - corner[0], width),
                fixed(map_y[j + 1, i + 1] - corner[1], height),
            )
            for down in range(CELL):
                ul, ur = _between(u00, u10, down), _between(u01, u11, down)
                vl, vr = _between(v00, v10, down), _between(v01, v11, down)
                kl, kr = _between(k00, k10, down), _between(k01, k11, down)
                for right in range(CELL):
                    u, v = _between(ul, ur, right), _between(vl, vr, right)
                    k = min(max(_between(kl, kr, right), 0), 256)
                    y, x = CELL * j + down, CELL * i + right
                    layer[y, x] = blend(layer[y, x], sample(sheet, u, v), k)


@compiled
def raster_picture(
    points: F32,
    triangles: I32,
    source: F32,
    mask: F32,
    alpha: float,
    sheet: Sheet,
    corner: F32,
    layer: Sheet,
) -> None:
    """Draw textured triangles at full resolution, mixed into ``layer`` by ``alpha`` times mask.

    The sheet's first pixel is the picture's ``corner``; ``source`` is in picture pixels.
    """
    height, width = layer.shape
    tall, wide = sheet.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area <= 1e-5:
            continue
        p0, q0, r0 = (y1 - y2) / area, (x2 - x1) / area, (x1 * y2 - x2 * y1) / area
        p1, q1, r1 = (y2 - y0) / area, (x0 - x2) / area, (x2 * y0 - x0 * y2) / area
        dx, dy = corner[0] + np.float32(0.5), corner[1] + np.float32(0.5)
        ux, uy, um = source[a, 0] - dx, source[a, 1] - dy, mask[a] * alpha
        vx, vy, vm = source[b, 0] - dx, source[b, 1] - dy, mask[b] * alpha
        wx, wy, wm = source[c, 0] - dx, source[c, 1] - dy, mask[c] * alpha
        left, right = min(x0, x1, x2), max(x0, x1, x2)
        top, bottom = max(0, int(min(y0, y1, y2) - 1)), min(height - 1, int(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            k0, k1 = q0 * (y + 0.5) + r0, q1 * (y + 0.5) + r1
            low, high = _clip(p0, k0, left - 0.5, right + 0.5)
            low, high = _clip(p1, k1, low, high)
            low, high = _clip(-p0 - p1, 1 - k0 - k1, low, high)
            first = max(0, int(np.ceil(low - 0.5)))
            last = min(width - 1, int(np.floor(high - 0.5)))
            for x in range(first, last + 1):
                w0, w1 = p0 * (x + 0.5) + k0, p1 * (x + 0.5) + k1
                w2 = np.float32(1) - w0 - w1
                k = int((w0 * um + w1 * vm + w2 * wm) * np.float32(256) + np.float32(0.5))
                if k <= 0:
                    continue
                u = fixed(w0 * ux + w1 * vx + w2 * wx, wide)
                v = fixed(w0 * uy + w1 * vy + w2 * wy, tall)
                layer[y, x] = blend(layer[y, x], sample(sheet, u, v), min(k, 256))


@inlined
def _over(new: int, old: int, alpha: int) -> int:
    return (new * alpha + old * (255 - alpha) + 127) // 255


@compiled
def compose(layer: Sheet, corner: tuple[int, int], box: Box, out: U8) -> None:
    """Put ``layer`` over the picture in an I420 buffer, (height * 3 // 2, width), within a box.

    The layer's first pixel lies at ``corner`` (x, y) of the picture. Corner and box are even.
    """
    x0, y0, x1, y1 = box
    left, top = corner
    width = out.shape[1]
    height = out.shape[0] // 3 * 2
    chroma = out.reshape(-1)[height * width :]
    quarter = height * width // 4
    for y in range(y0, y1, 2):
        for x in range(x0, x1, 2):
            a, b = layer[y - top, x - left], layer[y - top, x - left + 1]
            c, d = layer[y - top + 1, x - left], layer[y - top + 1, x - left + 1]
            ka, kb, kc, kd = lane(a, 3), lane(b, 3), lane(c, 3), lane(d, 3)
            at = (y >> 1) * (width >> 1) + (x >> 1)
            total = ka + kb + kc + kd
            if total >= 4 * 253:
                out[y, x], out[y, x + 1] = lane(a, 0), lane(b, 0)
                out[y + 1, x], out[y + 1, x + 1] = lane(c, 0), lane(d, 0)
                chroma[at] = (lane(a, 1) + lane(b, 1) + lane(c, 1) + lane(d, 1) + 2) >> 2
                chroma[quarter + at] = (lane(a, 2) + lane(b, 2) + lane(c, 2) + lane(d, 2) + 2) >> 2
            elif total > 0:
                out[y, x] = _over(lane(a, 0), out[y, x], ka)
                out[y, x + 1] = _over(lane(b, 0), out[y, x + 1], kb)
                out[y + 1, x] = _over(lane(c, 0), out[y + 1, x], kc)
                out[y + 1, x + 1] = _over(lane(d, 0), out[y + 1, x + 1], kd)
                u = ka * lane(a, 1) + kb * lane(b, 1) + kc * lane(c, 1) + kd * lane(d, 1)
                v = ka * lane(a, 2) + kb * lane(b, 2) + kc * lane(c, 2) + kd * lane(d, 2)
                through = 1020 - total
                chroma[at] = (u + through * chroma[at] + 510) // 1020
                chroma[quarter + at] = (v + through * chroma[quarter + at] + 510) // 1020
