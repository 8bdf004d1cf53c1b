"""The one vocabulary of the face: Apple's 52 ARKit blend shapes, in the order used everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Coefficients = NDArray[np.float32]
"""Shape (52,), in ``ARKIT`` order; 0 is rest, 1 is full."""

ARKIT: tuple[str, ...] = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)

INDEX: Mapping[str, int] = {name: index for index, name in enumerate(ARKIT)}


def expand(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights with every side named: ``mouthSmile`` stands for both its sides."""
    out: dict[str, float] = {}
    for name, weight in weights.items():
        for full in (name,) if name in INDEX else (name + "Left", name + "Right"):
            out[full] = out.get(full, 0.0) + weight
    return out


def vector(weights: Mapping[str, float]) -> Coefficients:
    """Weights by name as a vector, sides as in ``expand``. ``KeyError`` for an unknown name."""
    out = np.zeros(len(ARKIT), np.float32)
    for name, weight in expand(weights).items():
        out[INDEX[name]] = weight
    return out


@dataclass(frozen=True, slots=True)
class Pose:
    """What a face does at one instant: all that a renderer needs to know.

    ``close`` (0 to 1) presses the lips together whatever the coefficients say. Angles are radians:
    ``yaw`` turns to the viewer's right, ``pitch`` nods down, ``roll`` tilts clockwise. ``gaze`` is
    a share of the eye's reach: x to the viewer's right, y down. ``breath`` is -1 (out) to 1 (in).
    """

    coefficients: Coefficients
    close: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    breath: float = 0.0
