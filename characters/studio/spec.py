"""What one character is: shape, colours and hair. Shape weights are MakeHuman target weights."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Skin:
    base: str
    blush: str
    blush_amount: float
    lips: str
    lips_amount: float
    lid_amount: float = 0.2
    stubble: float = 0.0
    lines: float = 0.0
    """How much a life of smiling shows: the lines of cheek, eye and forehead."""


HAIRLINE = ((0, 0.66), (25, 0.67), (42, 0.70), (54, 0.50), (64, 0.22), (72, -0.10), (79, -0.05),
            (88, 0.20), (104, 0.20), (116, -0.15), (135, -0.50), (180, -0.66))  # fmt: skip
"""(azimuth from the front in degrees, height as a share of eye-to-crown)."""
ROUND_HAIRLINE = ((0, 0.71), (15, 0.705), (28, 0.665), (40, 0.58), (50, 0.44), (60, 0.20),
                  (70, -0.08), (78, -0.04), *HAIRLINE[7:])  # fmt: skip
SIDEBURN_HAIRLINE = ((0, 0.64), (14, 0.65), (26, 0.65), (38, 0.69), (47, 0.63), (55, 0.46),
                     (61, 0.22), (66, -0.12), (70, -0.34), (77, -0.34), (81, -0.10),
                     (88, 0.16), *HAIRLINE[8:])  # fmt: skip
RECEDING_HAIRLINE = ((0, 0.63), (14, 0.65), (28, 0.76), (40, 0.76), (50, 0.62), (58, 0.44),
                     *SIDEBURN_HAIRLINE[6:])  # fmt: skip


@dataclass(frozen=True)
class Hair:
    scalp: str
    """Colour of the scalp under the strands."""
    brow: str
    melanin: float
    redness: float
    parting: float
    """x of the parting at the crown, in decimetres; positive is the character's left."""
    length: float
    """How far below the chin the tips end, in decimetres; of short hair, how long it is."""
    style: Literal["bob", "coils", "short"] = "bob"
    grey: float = 0.0
    """Share of the hair that has gone grey, most at the temples."""
    hairline: tuple[tuple[float, float], ...] = HAIRLINE
    beard: float = 0.0
    """Length of a short beard, decimetres; 0 for none."""


@dataclass(frozen=True)
class Outfit:
    kind: Literal["sweater", "shirt", "blazer"] = "sweater"
    under: str = "#e8e6e1"
    """Colour of the jersey that a blazer is worn over."""


@dataclass(frozen=True)
class Iris:
    inner: str
    outer: str
    ring: str


@dataclass(frozen=True)
class Background:
    inner: str
    outer: str


@dataclass(frozen=True)
class CharacterSpec:
    name: str
    title: str
    description: str
    gender: float
    """0 female, 1 male."""
    age: float
    """MakeHuman's scale: 0.1875 child, 0.5 young adult, 1 old."""
    muscle: float
    weight: float
    proportions: float
    ancestry: dict[str, float]
    details: dict[str, float]
    """Target name (``*dir/name`` for both sides) to weight."""
    head_scale: float
    eye_scale: float
    eyeball_scale: float
    blink_scale: float
    """Blink weight at which the enlarged eye is exactly closed."""
    arm_angle: float
    skin: Skin
    hair: Hair
    iris: Iris
    cloth: str
    """Colour of the outermost garment."""
    brow_width: float
    rest: dict[str, float] = field(default_factory=dict)
    """Face units of the resting face."""
    voice: str | None = None
    """The voice that suits, as in an agent."""
    earrings: str | None = None
    """Colour of the metal, if there are any."""
    outfit: Outfit = Outfit()
    rim: float = 1.0
    """Strength of the lights from behind: short hair leaves the temples bare to them."""
    background: Background = field(default_factory=lambda: Background("#ffffff", "#cccccc"))
