"""The key poses of every character, as ARKit coefficients (bare names for both sides)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Pose:
    region: Literal["mouth", "eyes", "brows"]
    units: dict[str, float]


KEYS = {
    # all that is ever seen inside the mouth: the upper lip must be at least as high as any sound
    # lifts it, or the renderer has no teeth to show there
    "jawOpen": Pose(
        "mouth",
        {"jawOpen": 0.55, "mouthUpperUp": 0.55, "mouthLowerDown": 0.3, "mouthSmile": 0.2},
    ),
    "blink": Pose("eyes", {"eyeBlink": 1.0}),
    "eyeWide": Pose("eyes", {"eyeWide": 1.0}),
    "smile": Pose("mouth", {"mouthSmile": 0.7, "cheekSquint": 0.4}),
    "pucker": Pose("mouth", {"mouthPucker": 0.8, "mouthFunnel": 0.3, "jawOpen": 0.1}),
    "wide": Pose(
        "mouth",
        {"jawOpen": 0.2, "mouthStretch": 0.4, "mouthUpperUp": 0.3, "mouthLowerDown": 0.4},
    ),
    "press": Pose("mouth", {"mouthPress": 0.5, "mouthRollLower": 0.4, "mouthRollUpper": 0.4}),
    "browsUp": Pose("brows", {"browInnerUp": 0.8, "browOuterUp": 0.8}),
}
