"""The MediaPipe face mesh: which of its 478 points are lips, lids, outline and irises.

Loops run from the person's right (small x) to their left. Index lists are facts of the model
(MediaPipe, Apache-2.0); the triangles are the 854 cliques of its published edges.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import ARKIT

Indices = NDArray[np.int64]

UPPER_LIP = np.array([78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308])
"""Inner edge of the upper lip, corner to corner."""
LOWER_LIP = np.array([78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308])

LIP_RINGS = np.array(
    [
        [
            [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291],
            [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306],
            [62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292],
            [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308],
        ],
        [
            [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291],
            [76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306],
            [62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292],
            [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308],
        ],
    ]
)
"""(upper or lower, ring from outside to inside, along the lip)."""

RIGHT_UPPER_LID = np.array([33, 246, 161, 160, 159, 158, 157, 173, 133])
RIGHT_LOWER_LID = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133])
LEFT_UPPER_LID = np.array([362, 398, 384, 385, 386, 387, 388, 466, 263])
LEFT_LOWER_LID = np.array([362, 382, 381, 380, 374, 373, 390, 249, 263])
EYES = ((RIGHT_UPPER_LID, RIGHT_LOWER_LID, 468), (LEFT_UPPER_LID, LEFT_LOWER_LID, 473))
"""For the person's right and left eye: upper lid, lower lid, centre of the iris."""

# The rings of skin around each eye, from the lid outward: they follow a blink less and less.
RIGHT_LID_SKIN = np.array([[247, 30, 29, 27, 28, 56, 190], [113, 225, 224, 223, 222, 221, 189]])
LEFT_LID_SKIN = np.array([[414, 286, 258, 257, 259, 260, 467], [413, 441, 442, 443, 444, 445, 342]])
LID_SKIN = (RIGHT_LID_SKIN, LEFT_LID_SKIN)

OVAL = np.array(
    [
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
        *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    ]
)
"""The outline of the face, a closed loop."""

CHIN = 152
FOREHEAD = 10
OUTER_EYE_CORNERS = np.array([33, 263])


@cache
def triangles() -> NDArray[np.int32]:
    """(854, 3) indices; the holes of eyes and mouth are open."""
    return _table()["triangles"].astype(np.int32)


@cache
def generic_deltas() -> NDArray[np.float32]:
    """(52, 478, 3) displacements in ``ARKIT`` order, in units of the outer eye distance.

    Axes as in a rig. From the CC0 face units by Mika Suominen on the CC0 MakeHuman head.
    """
    table = _table()
    if tuple(table["names"]) != ARKIT:
        raise RuntimeError("arkit_basis.npz is out of step with ARKIT")
    return table["deltas"].astype(np.float32)


@cache
def _table() -> dict[str, NDArray[np.generic]]:
    with np.load(Path(__file__).with_name("arkit_basis.npz")) as file:
        return {name: file[name] for name in file.files}
