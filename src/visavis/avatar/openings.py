"""What shows between lids and between lips: kernels that fill an opening, edges antialiased.

Edges are curves: (n, 2) points with growing x. Sheets are crops: their first pixel is the picture's
``corner``, all other numbers are pixels of the picture.
"""

# Numba types the arithmetic in here; pyright would take float32 and float for two kinds.
# pyright: reportArgumentType=false, reportReturnType=false, reportAssignmentType=false

import numpy as np

from visavis.avatar.kernels import F32, compiled
from visavis.avatar.lanes import Sheet, blend, fixed, inlined, sample, shaded


@inlined
def _at(curve: F32, x: float) -> float:
    """The curve's y at ``x``, held flat beyond its ends."""
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


@inlined
def _cover(y: float, upper: float, lower: float) -> float:
    """How much of the pixel at ``y`` lies between two near-level edges."""
    half, zero, one = np.float32(0.5), np.float32(0), np.float32(1)
    above = min(max(y - upper + half, zero), one)
    below = min(max(lower - y + half, zero), one)
    return above + below - one if above + below > one else zero


@inlined
def _lit(sheet: Sheet, corner: F32, u: float, v: float, light: float) -> int:
    """The picture at ``u``, ``v`` (pixel centres at +0.5), darkened."""
    height, width = sheet.shape
    half = np.float32(0.5)
    x, y = fixed(u - corner[0] - half, width), fixed(v - corner[1] - half, height)
    return shaded(sample(sheet, x, y), int(light * np.float32(256)))


@compiled
def draw_eye(
    layer: Sheet,
    sheet: Sheet,
    corner: F32,
    upper: F32,
    lower: F32,
    inverse: F32,
    iris: F32,
    shift: F32,
    shade: float,
) -> None:
    """Fill the opening between two lids with the eyeball, its iris moved by ``shift``.

    ``upper`` and ``lower`` are the lids as drawn. ``inverse`` (2, 3) leads from drawn to picture
    pixels. ``iris`` is its centre x, y, its radius, and the radius that nothing moves at.
    ``shade`` darkens the ball under the upper lid.
    """
    last = upper.shape[0] - 1
    tall = np.float32(1)
    for i in range(last + 1):
        tall = max(tall, lower[i, 1] - upper[i, 1])
    for x in range(max(0, int(upper[0, 0])), min(layer.shape[1] - 1, int(upper[last, 0])) + 1):
        px = np.float32(x + 0.5)
        lid, floor = _at(upper, px), _at(lower, px)
        for y in range(max(0, int(lid) - 1), min(layer.shape[0] - 1, int(floor) + 1) + 1):
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
            new = _lit(sheet, corner, su, sv, dark)
            layer[y, x] = blend(layer[y, x], new, int(k * np.float32(256)))


@compiled
def draw_mouth(
    layer: Sheet,
    sheet: Sheet,
    corner: F32,
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
    for x in range(max(0, int(upper[0, 0])), min(layer.shape[1] - 1, int(upper[last, 0])) + 1):
        px = np.float32(x + 0.5)
        lip, floor = _at(upper, px), _at(lower, px)
        if floor - lip < 0.05:
            continue
        for y in range(max(0, int(lip) - 1), min(layer.shape[0] - 1, int(floor) + 1) + 1):
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
            fixed_v = min(max(v, ceiling), ground)
            moved = max(min(v + np.float32(jaw), ground), ceiling)
            share = min(max((t - np.float32(0.35)) / np.float32(0.4), np.float32(0)), one)
            v = fixed_v + share * share * (np.float32(3) - 2 * share) * (moved - fixed_v)
            dark = one - np.float32(shade) * (one - half * t)
            new = _lit(sheet, corner, u, v, dark)
            layer[y, x] = blend(layer[y, x], new, int(k * np.float32(256)))
