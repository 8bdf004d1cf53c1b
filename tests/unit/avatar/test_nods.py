from itertools import pairwise

import numpy as np

from visavis.avatar.nods import Nod, nod_in, nodding

PAUSES = [round(1e6 * at) for at in np.cumsum(np.random.default_rng(3).uniform(0.3, 4, 3000))]


def nods(seed: int = 5) -> list[Nod]:
    out: list[Nod] = []
    for pause_us in PAUSES:
        if nod := nod_in(pause_us, out[-1] if out else None, seed):
            assert 250_000 <= nod.at_us - pause_us <= 400_000
            out.append(nod)
    return out


def test_a_listener_nods_in_some_pauses_sometimes_twice_and_never_in_a_hurry() -> None:
    all_ = nods()
    assert min(b.at_us - a.at_us for a, b in pairwise(all_)) >= 2_500_000
    assert 0.1 < np.mean([nod.times == 2 for nod in all_]) < 0.3
    alone = [nod_in(pause_us, None, 5) for pause_us in PAUSES]
    assert 0.55 < np.mean([nod is not None for nod in alone]) < 0.65


def test_the_same_pause_is_answered_alike_by_one_face_and_not_by_another() -> None:
    assert nods(5) == nods(5) != nods(6)


def test_a_nod_goes_down_and_comes_back_gently() -> None:
    for times in (1, 2):
        course = [
            np.rad2deg(nodding([Nod(1_000_000, 1.0, times)], at_us))
            for at_us in range(0, 3_000_000, 40_000)
        ]
        assert course[0] == course[25] == 0 == course[-1]
        assert 2 < max(course) < 3
        assert max(abs(b - a) for a, b in pairwise(course)) < 0.7
        tops = [b for a, b, c in zip(course, course[1:], course[2:], strict=False) if a < b >= c]
        assert len(tops) == times
