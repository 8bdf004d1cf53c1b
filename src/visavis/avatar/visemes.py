"""From phonemes to mouth shapes: 15 visemes, their ARKit weights, and how neighbours blend.

Blending is dominance coarticulation in the manner of Cohen and Massaro (1993): every segment
pulls the mouth towards its shape with a strength that falls off outside its time; lips that must
touch (p, b, m) pull hardest and let go quickest. Lips are rounded well before a rounded vowel is
heard: "stew" is rounded from its s on, while the jaw keeps to each sound.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import ARKIT, Coefficients, vector
from visavis.media import PhonemeTime

Times = NDArray[np.float64]
Pull = NDArray[np.floating]

VISEMES = (
    *("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR"),
    *("aa", "E", "ih", "oh", "ou"),
)

_PHONEMES: dict[str, str] = {
    "PP": "p b m ɓ ɱ",
    "FF": "f v ʋ",
    "TH": "θ ð",
    "DD": "t d ɾ T ʔ ɖ ʈ",
    "kk": "k ɡ g ŋ x ɣ q c ɟ",
    "CH": "ʃ ʒ ʧ ʤ ɕ ʑ ç ʂ ʐ",
    "SS": "s z ʦ ʣ",
    "nn": "n l ɲ ɫ ɬ ʎ ɳ",
    "RR": "ɹ r ɻ ʁ ʀ ɚ ɝ",
    "aa": "a ɑ æ ʌ ɐ ä h",
    "E": "ɛ e ə ᵊ ɜ ɘ œ",
    "ih": "i ɪ ɨ ᵻ y ʏ j",
    "oh": "ɔ o ɒ ø ɤ",
    "ou": "u ʊ w ɯ ʉ ɥ",
    "sil": ", . ! ? ; : — … –",
}
VISEME_OF = {symbol: name for name, line in _PHONEMES.items() for symbol in line.split()}
"""Viseme of one IPA symbol, misaki's one-letter affricates included."""

_DIPHTHONGS = {
    **{"A": ("E", "ih"), "I": ("aa", "ih"), "Y": ("oh", "ih")},
    **{"O": ("oh", "ou"), "W": ("aa", "ou"), "Q": ("E", "ou")},
}
"""Misaki's one-letter diphthongs: eɪ, aɪ, ɔɪ, oʊ, aʊ, əʊ."""

_STRESS, _LONG = "ˈˌ", "ːˑ"

# viseme: (closed lips, dominance, ARKit weights)
_SHAPES: dict[str, tuple[float, float, dict[str, float]]] = {
    "sil": (0.0, 0.6, {}),
    "PP": (1.0, 2.8, dict(mouthPress=0.45, mouthRollLower=0.3, mouthRollUpper=0.28)),
    "FF": (0.0, 2.2, dict(jawOpen=0.05, mouthRollLower=0.7, mouthUpperUp=0.3)),
    "TH": (0.0, 1.2, dict(jawOpen=0.17, tongueOut=0.3, mouthUpperUp=0.18, mouthLowerDown=0.25)),
    "DD": (0.0, 0.7, dict(jawOpen=0.11, mouthLowerDown=0.34, mouthUpperUp=0.18, mouthStretch=0.1)),
    "kk": (0.0, 0.5, dict(jawOpen=0.22, mouthLowerDown=0.17, mouthUpperUp=0.1, mouthStretch=0.1)),
    "CH": (0.0, 1.3, dict(jawOpen=0.1, mouthFunnel=0.55, mouthUpperUp=0.12, mouthLowerDown=0.2)),
    "SS": (0.0, 1.0, dict(jawOpen=0.05, mouthStretch=0.3, mouthLowerDown=0.38, mouthUpperUp=0.24)),
    "nn": (0.0, 0.6, dict(jawOpen=0.14, mouthLowerDown=0.25, mouthUpperUp=0.12, mouthSmile=0.05)),
    "RR": (0.0, 0.8, dict(jawOpen=0.1, mouthFunnel=0.32, mouthPucker=0.35)),
    "aa": (0.0, 1.0, dict(jawOpen=0.42, mouthLowerDown=0.26, mouthUpperUp=0.28)),
    "E": (0.0, 0.8, dict(jawOpen=0.24, mouthStretch=0.25, mouthLowerDown=0.28, mouthUpperUp=0.25)),
    "ih": (0.0, 0.8, dict(jawOpen=0.14, mouthStretch=0.2, mouthSmile=0.2, mouthLowerDown=0.26)),
    "oh": (0.0, 1.1, dict(jawOpen=0.32, mouthFunnel=0.5, mouthPucker=0.2)),
    "ou": (0.0, 1.2, dict(jawOpen=0.12, mouthPucker=0.75, mouthFunnel=0.25)),
}
WEIGHTS = np.stack([vector(_SHAPES[name][2]) for name in VISEMES])
"""(15, 52): the ARKit weights of each viseme."""
CLOSED = np.array([_SHAPES[name][0] for name in VISEMES], np.float32)
_DOMINANCE = np.array([_SHAPES[name][1] for name in VISEMES], np.float32)
_QUICK = np.array([0.7 if name in ("PP", "FF") else 1.0 for name in VISEMES], np.float32)

_ROUNDED = np.array([name in ("oh", "ou") for name in VISEMES])
_UNROUND = np.array([2.5 if name in ("aa", "E", "ih") else 1.0 for name in VISEMES])
"""Consonants let the rounding of the next vowel through, other vowels do not."""
_ROUNDING = [ARKIT.index("mouthFunnel"), ARKIT.index("mouthPucker")]

_FALLOFF_S = 0.045
_ROUND_AHEAD_S = 0.085
_REACH_S = 0.25
"""Segments further away than this have no say."""
_REST = 0.04
"""The pull of a mouth at rest: it wins about 0.1 s after the last sound."""
_LEANED_ON_S = 0.14
_JAW = ARKIT.index("jawOpen")


@dataclass(frozen=True, slots=True)
class Segment:
    """One viseme on a timeline, in seconds; ``stressed`` marks a vowel that is leaned on."""

    start_s: float
    end_s: float
    viseme: int
    stressed: bool = False


@dataclass(frozen=True, slots=True)
class Mouth:
    """What speech asks of the mouth: ARKit weights, and how firmly the lips are closed."""

    coefficients: Coefficients = field(repr=False)
    close: float


def segments(phonemes: Sequence[PhonemeTime], start_s: float = 0.0) -> list[Segment]:
    """Visemes of a chunk's phonemes, in order; ``start_s`` is added to every time.

    Stress marks and length marks lend their time to their vowel; spaces are passed over;
    unknown symbols are left to their neighbours. A long vowel is stressed even without a mark.
    """
    out: list[Segment] = []
    held: float | None = None
    stressed = False
    for phoneme in phonemes:
        symbol, end = phoneme.symbol.strip(), start_s + phoneme.end_s
        start = start_s + phoneme.start_s if held is None else held
        held = None
        if not symbol:
            continue
        if symbol[0] in _STRESS:
            stressed = stressed or symbol[0] == "ˈ"
            symbol = symbol[1:]
            if not symbol:
                held = start
                continue
        if symbol[0] in _LONG:
            if out:
                out[-1] = Segment(out[-1].start_s, end, out[-1].viseme, out[-1].stressed)
            continue
        names = _names(symbol)
        vowel = bool(names) and VISEMES.index(names[0]) >= VISEMES.index("aa")
        edges = np.linspace(start, end, len(names) + 1) if names else ()
        for name, a, b in zip(names, edges, edges[1:], strict=False):
            leaned_on = vowel and (stressed or end - start > _LEANED_ON_S)
            out.append(Segment(float(a), float(b), VISEMES.index(name), leaned_on))
        stressed = stressed and not vowel
    return out


def _names(symbol: str) -> tuple[str, ...]:
    """The visemes of a phoneme: two for a diphthong, none for what is not known."""
    if symbol in _DIPHTHONGS:
        return _DIPHTHONGS[symbol]
    known = [VISEME_OF[letter] for letter in symbol if letter in VISEME_OF]
    if len(known) > 1 and known[0] in ("DD", "kk"):  # tʃ, dʒ, ts: the release shows
        known = known[1:]
    return tuple(known[:2])


def blend(track: Sequence[Segment], at_s: float) -> Mouth:
    """The mouth at ``at_s`` on a timeline of segments in order."""
    first = bisect_left(track, at_s - _REACH_S, key=lambda s: s.end_s)
    last = bisect_right(track, at_s + _REACH_S, key=lambda s: s.start_s)
    near = track[first:last]
    if not near:
        return Mouth(np.zeros(len(ARKIT), np.float32), 0.0)
    start = np.array([s.start_s for s in near])
    end = np.array([s.end_s for s in near])
    which = np.array([s.viseme for s in near])
    middle, half = (start + end) / 2, (end - start) / 2
    outside = np.maximum(0, np.abs(at_s - middle) - 0.7 * half)
    pull = _DOMINANCE[which] * np.exp(-((outside / (_FALLOFF_S * _QUICK[which])) ** 1.4))
    coefficients = _shares(pull) @ WEIGHTS[which]
    coefficients[_ROUNDING] = _rounding(which, pull, np.where(at_s < middle, outside, np.inf))
    close = _closure(at_s, start, end, which)
    coefficients[_JAW] *= 1 - 0.85 * close
    return Mouth(coefficients, close)


def _rounding(which: NDArray[np.intp], pull: Pull, ahead: Times) -> Coefficients:
    """Funnel and pucker; ``ahead`` is how long before each segment this is."""
    early = _DOMINANCE[which] * np.exp(-((ahead / _ROUND_AHEAD_S) ** 2))
    pull = np.where(_ROUNDED[which], np.maximum(pull, early), pull * _UNROUND[which])
    return _shares(pull) @ WEIGHTS[which][:, _ROUNDING]


def _shares(pull: Pull) -> Coefficients:
    """How much of the mouth each segment has; what is left is at rest."""
    return (pull / (pull.sum() + _REST)).astype(np.float32)


def _closure(at_s: float, start: Times, end: Times, which: NDArray[np.intp]) -> float:
    """1 through the middle of p, b, m, easing over 50 ms either side: they really close.

    Held for 48 ms at least, so that no frame rate of ours can miss the shortest.
    """
    lips = CLOSED[which] > 0
    if not lips.any():
        return 0.0
    middle, half = (start + end)[lips] / 2, (end - start)[lips] / 2
    outside = float((np.abs(at_s - middle) - np.maximum(half - 0.012, 0.024)).min())
    t = min(1.0, max(0.0, 1 - outside / 0.05))
    return t * t * (3 - 2 * t)
