"""What a browser needs beside a rig to draw it: the mesh that all faces share.

Made from the same tables that the renderer here uses, so that there is no second truth.
"""

import json
from functools import cache

from visavis.avatar import topology
from visavis.avatar.coefficients import ARKIT


@cache
def mesh_json() -> bytes:
    """Topology of the face; its shape is ``Topology`` in web/src/renderer/topology.ts."""
    eyes = zip(topology.EYES, topology.LID_SKIN, strict=True)
    mesh = {
        "arkit": ARKIT,
        "triangles": topology.triangles().ravel().tolist(),
        "upperLip": topology.UPPER_LIP.tolist(),
        "lowerLip": topology.LOWER_LIP.tolist(),
        "lipRings": topology.LIP_RINGS.tolist(),
        "eyes": [
            {"upper": up.tolist(), "lower": low.tolist(), "iris": iris, "skin": skin.tolist()}
            for (up, low, iris), skin in eyes
        ],
        "oval": topology.OVAL.tolist(),
        "chin": topology.CHIN,
        "forehead": topology.FOREHEAD,
        "outerEyeCorners": topology.OUTER_EYE_CORNERS.tolist(),
    }
    return json.dumps(mesh, separators=(",", ":")).encode()


@cache
def deltas_f16() -> bytes:
    """The generic deltas, (52, 478, 3) little-endian float16 in units of the eye distance."""
    return topology.generic_deltas().astype("<f2").tobytes()
