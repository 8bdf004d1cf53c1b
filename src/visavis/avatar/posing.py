"""Where a pose moves the mesh: compiled, into arrays that are made once."""

# Numba types the arithmetic in here; pyright would take float32 and float for two kinds.
# pyright: reportArgumentType=false, reportReturnType=false, reportAssignmentType=false

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.kernels import F32, compiled

Indices = NDArray[np.int64]


@compiled
def express(points: F32, deltas: F32, weights: F32, still: F32) -> None:
    """``still`` = points (n, 3) + the sum of deltas (52, n, 3) times their weights."""
    still[:] = points
    for w in range(weights.shape[0]):
        weight = weights[w]
        if weight != 0:
            for i in range(points.shape[0]):
                for axis in range(3):
                    still[i, axis] += weight * deltas[w, i, axis]


@compiled
def press(still: F32, rings: Indices, shares: F32, amount: float) -> None:
    """Draw the lips towards their seam by ``amount``.

    ``rings`` (2, rings, along the lip), the last ring being the inner edge; ``shares`` is how far
    each ring follows. Corners stay.
    """
    last = rings.shape[1] - 1
    for i in range(1, rings.shape[2] - 1):
        up, low = rings[0, last, i], rings[1, last, i]
        for axis in range(3):
            above, below = still[up, axis], still[low, axis]
            seam = np.float32(0.45) * above + np.float32(0.55) * below
            for ring in range(last + 1):
                share = np.float32(amount) * shares[ring]
                still[rings[0, ring, i], axis] += share * (seam - above)
                still[rings[1, ring, i], axis] += share * (seam - below)


@compiled
def not_past(still: F32, upper: Indices, lower: Indices) -> None:
    """Where the upper edge is below the lower one, both meet half-way. Corners stay."""
    for i in range(1, upper.shape[0] - 1):
        excess = still[upper[i], 1] - still[lower[i], 1]
        if excess > 0:
            still[upper[i], 1] -= np.float32(0.5) * excess
            still[lower[i], 1] += np.float32(0.5) * excess


@compiled
def turn(still: F32, rotation: F32, pivot: F32, rise: float, face: F32) -> None:
    """``face`` (n, 2) = ``still`` (n, 3) turned about the pivot, ``rise`` pixels higher."""
    for i in range(still.shape[0]):
        x, y, z = still[i, 0] - pivot[0], still[i, 1] - pivot[1], still[i, 2] - pivot[2]
        face[i, 0] = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + pivot[0]
        face[i, 1] = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + pivot[1]
        face[i, 1] -= np.float32(rise)


@compiled
def turn_rings(
    points: F32,
    still: F32,
    face: F32,
    outline: Indices,
    ring_points: F32,
    follow: F32,
    head: F32,
    rotation: F32,
    pivot: F32,
    rise: float,
    rings: F32,
) -> None:
    """The rings (outline first) follow the outline by ``follow`` and the head by ``head``."""
    n = outline.shape[0]
    for i in range(n):
        rings[i, 0], rings[i, 1] = face[outline[i], 0], face[outline[i], 1]
    for i in range(ring_points.shape[0]):
        o = outline[i % n]
        x = ring_points[i, 0] + follow[i, 0] * (still[o, 0] - points[o, 0])
        y = ring_points[i, 1] + follow[i, 0] * (still[o, 1] - points[o, 1])
        z = ring_points[i, 2] + follow[i, 0] * (still[o, 2] - points[o, 2])
        dx, dy, dz = x - pivot[0], y - pivot[1], z - pivot[2]
        tx = rotation[0, 0] * dx + rotation[0, 1] * dy + rotation[0, 2] * dz + pivot[0]
        ty = rotation[1, 0] * dx + rotation[1, 1] * dy + rotation[1, 2] * dz + pivot[1]
        lift = np.float32(rise) * (np.float32(1) - np.float32(0.4) * head[i, 0])
        rings[n + i, 0] = x + head[i, 0] * (tx - x)
        rings[n + i, 1] = y + head[i, 0] * (ty - y) - lift


@compiled
def undo(rotation: F32, pivot: F32, depth: float, rise: float, out: F32) -> None:
    """``out`` (2, 3): from drawn pixels to where they were at ``depth`` before the head turned."""
    a, b, c, d = rotation[0, 0], rotation[0, 1], rotation[1, 0], rotation[1, 1]
    far = np.float32(depth) - pivot[2]
    x = rotation[0, 2] * far + pivot[0]
    y = rotation[1, 2] * far + pivot[1] - np.float32(rise)
    size = a * d - b * c
    out[0, 0], out[0, 1], out[1, 0], out[1, 1] = d / size, -b / size, -c / size, a / size
    out[0, 2] = pivot[0] - out[0, 0] * x - out[0, 1] * y
    out[1, 2] = pivot[1] - out[1, 0] * x - out[1, 1] * y


@compiled
def widest(points: F32, upper: Indices, lower: Indices) -> float:
    """How far two edges are apart, at most, in y."""
    out = np.float32(-1e9)
    for i in range(upper.shape[0]):
        out = max(out, points[lower[i], 1] - points[upper[i], 1])
    return out


@compiled
def gather(points: F32, which: Indices, out: F32) -> None:
    """``out`` (n, 2): x and y of some of the points."""
    for i in range(which.shape[0]):
        out[i, 0], out[i, 1] = points[which[i], 0], points[which[i], 1]
