"""When a face blinks: of itself every few seconds, at the end of a phrase, as its eyes turn away;
never in the middle of a p, b or m."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from visavis.avatar.timing import CYCLE_S, spaced

_COURSE = np.array([[0, 0], [0.04, 0.5], [0.08, 1], [0.12, 1], [0.17, 0.6], [0.22, 0.2], [0.28, 0]])
"""Seconds and closure: lids fall fast and rise slowly; six frames at 25 per second."""
_LONGEST_S = 0.5
"""A blink that had to wait for the lips is over after so long."""
_ALONE_S = 0.9
"""A blink with a reason is left out where one without is so near."""
_AT_PHRASE_END = 0.5
"""How likely one is."""
_CLOSED = 0.5
_WAIT_S = 0.04
_PATIENCE = 5


class Blinks:
    """The blinks of one face, decided by ``seed``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._own = spaced(np.random.default_rng(seed), shape=4.0, mean_s=4.2, least_s=0.9)

    def closure(
        self,
        at_us: int,
        turns_us: Sequence[int],
        phrase_ends_us: Sequence[int],
        lips: Callable[[float], float],
    ) -> float:
        """0 to 1 at ``at_us``: how far the lids are closed.

        ``turns_us`` is when the eyes turned away, ``phrase_ends_us`` when phrases ended, ``lips``
        how firmly the lips were closed so many seconds ago.
        """
        ends_us = [at for at in phrase_ends_us if _follows(self._seed, at // 10_000)]
        reasons = [(at_us - at) / 1e6 for at in (*turns_us, *ends_us) if not self._near(at / 1e6)]
        elapsed = [self._since_own(at_us / 1e6), *reasons]
        return max(_closure(one, lips) for one in elapsed)

    def _near(self, moment_s: float) -> bool:
        before = self._since_own(moment_s)
        return before < _ALONE_S or self._since_own(moment_s + _ALONE_S) < _ALONE_S

    def _since_own(self, now_s: float) -> float:
        t = now_s % CYCLE_S
        index = int(np.searchsorted(self._own, t, side="right")) - 1
        return float(t - self._own[index]) if index >= 0 else CYCLE_S


@lru_cache(maxsize=256)
def _follows(seed: int, phrase_end: int) -> bool:
    """Whether a blink follows a phrase, known by its end in hundredths of a second."""
    return bool(np.random.default_rng((seed, phrase_end)).random() < _AT_PHRASE_END)


def _closure(elapsed: float, lips: Callable[[float], float]) -> float:
    if not 0 < elapsed < _LONGEST_S:
        return 0.0
    for _ in range(_PATIENCE):
        if elapsed <= 0 or lips(elapsed) < _CLOSED:
            break
        elapsed -= _WAIT_S
    return float(np.interp(elapsed, _COURSE[:, 0], _COURSE[:, 1]))
