"""What one character is: shape, colours and hair. Shape weights are MakeHuman target weights."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Skin:
    base: str
    blush: str
    blush_amount: float
    lips: str
    lips_amount: float
    lid_amount: float = 0.2


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
    """How far below the chin the tips end, in decimetres."""


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
    brow_width: float
    rest: dict[str, float] = field(default_factory=dict)
    """Face units of the resting face."""
    background: Background = field(default_factory=lambda: Background("#ffffff", "#cccccc"))
