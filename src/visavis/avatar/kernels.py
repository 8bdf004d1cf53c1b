"""The inner loops of the renderer, compiled by numba. They release the GIL and allocate nothing.

Points are in pixels with pixel centres at +0.5; pictures are RGBA uint8 with straight alpha.
"""

# Numba types the arithmetic in here; pyright would take float32 and float for two kinds.
# pyright: reportArgumentType=false, reportReturnType=false, reportAssignmentType=false

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

F32 = NDArray[np.floating]
"""float32 at run time; numpy's stubs widen what arithmetic returns."""
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels."""

_compiled = njit(cache=True, nogil=True, fastmath=True)
_inlined = njit(cache=True, nogil=True, fastmath=True, inline="always")


@_inlined
def _clip(slope: float, rest: float, low: float, high: float) -> tuple[float, float]:
    """The part of ``low..high`` where ``slope * x + rest`` is not below zero, but for rounding."""
    if slope > 1e-12:
        low = max(low, (-1e-4 - rest) / slope)
    elif slope < -1e-12:
        high = min(high, (-1e-4 - rest) / slope)
    elif rest < -1e-4:
        high = low - 1
    return low, high


@_compiled
def raster_map(
    points: F32,
    triangles: I32,
    source: F32,
    mask: F32,
    scale: float,
    map_x: F32,
    map_y: F32,
    map_mask: F32,
) -> None:
    """For every covered cell, where in the source picture it comes from, in painter's order.

    ``points`` and ``source`` are (n, 2), ``mask`` (n,) is carried along. A cell of the maps is
    ``1 / scale`` pixels wide.
    """
    height, width = map_x.shape
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
        top, bottom = max(0, int(min(y0, y1, y2) - 1)), min(height - 1, int(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            k0, k1 = q0 * (y + 0.5) + r0, q1 * (y + 0.5) + r1
            low, high = _clip(p0, k0, left - 0.5, right + 0.5)
            low, high = _clip(p1, k1, low, high)
            low, high = _clip(-p0 - p1, 1 - k0 - k1, low, high)
            first = max(0, int(np.ceil(low - 0.5)))
            last = min(width - 1, int(np.floor(high - 0.5)))
            w0, w1 = p0 * (first + 0.5) + k0, p1 * (first + 0.5) + k1
            at_x = np.float32(w0 * ux + w1 * vx + (1 - w0 - w1) * wx - 0.5)
            at_y = np.float32(w0 * uy + w1 * vy + (1 - w0 - w1) * wy - 0.5)
            at_m = np.float32(w0 * um + w1 * vm + (1 - w0 - w1) * wm)
            for x in range(first, last + 1):
                far = np.float32(x - first)
                map_x[y, x] = at_x + far * step_x
                map_y[y, x] = at_y + far * step_y
                map_mask[y, x] = at_m + far * step_m


@_inlined
def _sample(picture: U8, x: float, y: float, channel: int) -> float:
    """Bilinear; ``x`` and ``y`` in index coordinates, clamped to the picture."""
    height, width = picture.shape[0], picture.shape[1]
    x = min(max(x, np.float32(0)), np.float32(width) - np.float32(1.001))
    y = min(max(y, np.float32(0)), np.float32(height) - np.float32(1.001))
    i, j = int(x), int(y)
    fx, fy = x - np.float32(i), y - np.float32(j)
    top = picture[j, i, channel] * (np.float32(1) - fx) + picture[j, i + 1, channel] * fx
    low = picture[j + 1, i, channel] * (np.float32(1) - fx) + picture[j + 1, i + 1, channel] * fx
    return top * (np.float32(1) - fy) + low * fy


@_compiled
def raster_picture(
    points: F32, triangles: I32, source: F32, mask: F32, alpha: float, picture: U8, out: U8
) -> None:
    """Draw textured triangles at full resolution, mixed into ``out`` by ``alpha`` times mask."""
    height, width = out.shape[0], out.shape[1]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area <= 1e-5:
            continue
        inverse = np.float32(1) / area
        left, right = max(0, int(min(x0, x1, x2) - 1)), min(width - 1, int(max(x0, x1, x2)))
        top, bottom = max(0, int(min(y0, y1, y2) - 1)), min(height - 1, int(max(y0, y1, y2)))
        for y in range(top, bottom + 1):
            py = np.float32(y + 0.5)
            for x in range(left, right + 1):
                px = np.float32(x + 0.5)
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * inverse
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * inverse
                w2 = np.float32(1) - w0 - w1
                if w0 >= -1e-4 and w1 >= -1e-4 and w2 >= -1e-4:
                    k = np.float32(alpha) * (w0 * mask[a] + w1 * mask[b] + w2 * mask[c])
                    half = np.float32(0.5)
                    u = w0 * source[a, 0] + w1 * source[b, 0] + w2 * source[c, 0] - half
                    v = w0 * source[a, 1] + w1 * source[b, 1] + w2 * source[c, 1] - half
                    for n in range(4):
                        old = np.float32(out[y, x, n])
                        out[y, x, n] = np.uint8(old + k * (_sample(picture, u, v, n) - old) + half)


@_compiled
def mix(layer: U8, mask: F32, alpha: float, box: Box, out: U8) -> None:
    """Mix ``layer`` into ``out`` by ``alpha`` times ``mask``, within a box; all of one size."""
    x0, y0, x1, y1 = box
    for y in range(y0, y1):
        for x in range(x0, x1):
            k = int(mask[y, x] * np.float32(alpha * 256))
            if k > 0:
                for n in range(4):
                    old = np.int32(out[y, x, n])
                    out[y, x, n] = np.uint8(old + ((np.int32(layer[y, x, n]) - old) * k >> 8))


@_compiled
def over(layer: U8, ground: U8, box: Box) -> None:
    """Put ``ground`` (RGB) behind ``layer`` (RGBA), in place, within a box."""
    x0, y0, x1, y1 = box
    for y in range(y0, y1):
        for x in range(x0, x1):
            alpha = np.int32(layer[y, x, 3])
            if alpha >= 253:
                continue
            for n in range(3):
                low = np.int32(ground[y, x, n])
                layer[y, x, n] = np.uint8(low + (np.int32(layer[y, x, n]) - low) * alpha // 255)


@_inlined
def _at(curve: F32, x: float) -> float:
    """The curve's y at ``x``; ``curve`` is (n, 2) with growing x, held flat beyond its ends."""
    last = curve.shape[0] - 1
    if x <= curve[0, 0]:
        return curve[0, 1]
    if x >= curve[last, 0]:
        return curve[last, 1]
    i = 0
    while i < last - 1 and curve[i + 1, 0] < x:
        i += 1
    run = curve[i + 1, 0] - curve[i, 0]
    share = (x - curve[i, 0]) / run if run > 1e-6 else np.float32(0)
    return curve[i, 1] + share * (curve[i + 1, 1] - curve[i, 1])


@_inlined
def _cover(y: float, upper: float, lower: float) -> float:
    """How much of the pixel at ``y`` lies between two near-level edges."""
    half, zero, one = np.float32(0.5), np.float32(0), np.float32(1)
    above = min(max(y - upper + half, zero), one)
    below = min(max(lower - y + half, zero), one)
    return above + below - one if above + below > one else zero


@_compiled
def draw_eye(
    out: U8,
    picture: U8,
    upper: F32,
    lower: F32,
    inverse: F32,
    iris: F32,
    shift: F32,
    shade: float,
) -> None:
    """Fill the opening between two lids with the eyeball, its iris moved by ``shift``.

    ``upper`` and ``lower`` are the lids as drawn, (n, 2). ``inverse`` (2, 3) leads from drawn to
    source pixels. ``iris`` is its centre x, y, its radius, and the radius that nothing moves at.
    ``shade`` darkens the ball under the upper lid.
    """
    last = upper.shape[0] - 1
    tall = np.float32(1)
    for i in range(last + 1):
        tall = max(tall, lower[i, 1] - upper[i, 1])
    for x in range(max(0, int(upper[0, 0])), min(out.shape[1] - 1, int(upper[last, 0])) + 1):
        px = np.float32(x + 0.5)
        lid, floor = _at(upper, px), _at(lower, px)
        for y in range(max(0, int(lid) - 1), min(out.shape[0] - 1, int(floor) + 1) + 1):
            py = np.float32(y + 0.5)
            k = _cover(py, lid, floor)
            if k <= 0:
                continue
            u = inverse[0, 0] * px + inverse[0, 1] * py + inverse[0, 2]
            v = inverse[1, 0] * px + inverse[1, 1] * py + inverse[1, 2]
            # the ball turns: the iris moves whole, the white beside it gives way; a fixed-point
            # step makes the falloff one of the place looked at, not of the place drawn
            su, sv = u - shift[0], v - shift[1]
            for _ in range(2):
                far = np.sqrt((su - iris[0]) ** 2 + (sv - iris[1]) ** 2)
                give = (iris[3] - far) / (iris[3] - iris[2])
                give = min(max(give, np.float32(0)), np.float32(1))
                su, sv = u - shift[0] * give, v - shift[1] * give
            dark = np.float32(1) - np.float32(shade) * np.exp((lid - py) / (0.22 * tall))
            for n in range(3):
                new = _sample(picture, su - np.float32(0.5), sv - np.float32(0.5), n) * dark
                old = np.float32(out[y, x, n])
                out[y, x, n] = np.uint8(old + k * (new - old) + np.float32(0.5))


@_compiled
def draw_mouth(
    out: U8,
    picture: U8,
    upper: F32,
    lower: F32,
    still_upper: F32,
    still_lower: F32,
    key_upper: F32,
    key_lower: F32,
    inverse: F32,
    jaw: float,
    shade: float,
) -> None:
    """Fill the opening between the lips with the inside of an open mouth.

    The picture's opening is bounded by ``key_upper`` and ``key_lower``. Its upper part (teeth of
    the skull) stays where the skull is; its lower part (teeth and tongue of the jaw) is ``jaw``
    pixels lower in the picture than now; lips crop both. ``still_*`` are the lips before the head
    turned, ``inverse`` (2, 3) leads from drawn to unturned pixels, ``shade`` in 0..1 darkens.
    """
    last = upper.shape[0] - 1
    one, half = np.float32(1), np.float32(0.5)
    left, right = key_upper[0, 0] + one, key_upper[last, 0] - one
    for x in range(max(0, int(upper[0, 0])), min(out.shape[1] - 1, int(upper[last, 0])) + 1):
        px = np.float32(x + 0.5)
        lip, floor = _at(upper, px), _at(lower, px)
        if floor - lip < 0.05:
            continue
        for y in range(max(0, int(lip) - 1), min(out.shape[0] - 1, int(floor) + 1) + 1):
            py = np.float32(y + 0.5)
            k = _cover(py, lip, floor)
            if k <= 0:
                continue
            t = min(max((py - lip) / (floor - lip), np.float32(0)), one)
            u = inverse[0, 0] * px + inverse[0, 1] * py + inverse[0, 2]
            top, low = _at(still_upper, u), _at(still_lower, u)
            v = top + t * (low - top)
            u = min(max(u, left), right)
            ceiling, ground = _at(key_upper, u) + one, _at(key_lower, u) - one
            fixed = min(max(v, ceiling), ground)
            moved = max(min(v + np.float32(jaw), ground), ceiling)
            share = min(max((t - np.float32(0.35)) / np.float32(0.4), np.float32(0)), one)
            v = fixed + share * share * (np.float32(3) - 2 * share) * (moved - fixed)
            dark = one - np.float32(shade) * (one - half * t)
            for n in range(3):
                new = _sample(picture, u - half, v - half, n) * dark
                old = np.float32(out[y, x, n])
                out[y, x, n] = np.uint8(old + k * (new - old) + half)


def warm_up() -> None:
    """Compile every kernel, or load it from numba's cache, for the arguments it will get."""
    curve = types.Array(types.float32, 2, "C")
    line = types.Array(types.float32, 1, "C")
    faces = types.Array(types.int32, 2, "C")
    picture = types.Array(types.uint8, 3, "C")
    number, box = types.float64, types.UniTuple(types.int64, 4)
    for kernel, arguments in (
        (raster_map, (curve, faces, curve, line, number, curve, curve, curve)),
        (raster_picture, (curve, faces, curve, line, number, picture, picture)),
        (mix, (picture, curve, number, box, picture)),
        (over, (picture, picture, box)),
        (draw_eye, (picture, picture, curve, curve, curve, line, line, number)),
        (draw_mouth, (picture, picture, *(curve,) * 7, number, number)),
    ):
        kernel.compile(arguments)
