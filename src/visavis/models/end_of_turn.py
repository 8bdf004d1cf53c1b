"""Has the speaker finished, or only paused? (smart-turn v3.2, BSD-2.)

The model listens to the last 8 s of the utterance as a Whisper log-mel spectrogram
(80 Slaney mel bands, 25 ms Hann windows every 10 ms) of the waveform brought to zero mean
and unit variance; shorter utterances are preceded by silence.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from visavis.media import INPUT_RATE, Pcm
from visavis.models.vad import Floats, onnx_session

WINDOW_SAMPLES = 8 * INPUT_RATE
_FFT = 400
_HOP = 160
_MELS = 80
_LINEAR_TOP_HZ = 1000.0
_LINEAR_TOP_MEL = 15.0
_HZ_PER_MEL = 200.0 / 3.0
_LOG_STEP = math.log(6.4) / 27.0


class EndOfTurnModel:
    """The loaded network: one per process; calls from several threads may overlap."""

    def __init__(self, path: Path) -> None:
        self._session = onnx_session(path)

    def probability(self, pcm: Pcm) -> float:
        """How likely the turn that ends with ``pcm`` (mono, 16 kHz) is complete.

        Blocks for about 100 ms of CPU (the GIL is released): call it in a thread.
        """
        features = log_mel(pcm[-WINDOW_SAMPLES:].astype(np.float32) / np.float32(32768))
        (probability,) = self._session.run(None, {"input_features": features[np.newaxis]})
        return float(probability[0, 0])


def log_mel(waveform: Floats) -> Floats:
    """Whisper's log-mel features of at most 8 s of sound, shape (80, 800)."""
    wave = np.pad(waveform, (WINDOW_SAMPLES - len(waveform), 0))
    wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    padded = np.pad(wave, _FFT // 2, mode="reflect")
    windows = sliding_window_view(padded, _FFT)[::_HOP][:-1]
    power = np.abs(np.fft.rfft(windows * _hann(), axis=-1)) ** 2
    mel = np.log10(np.maximum(power @ _mel_filters(), 1e-10)).T
    return ((np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0).astype(np.float32)


@cache
def _hann() -> NDArray[np.float64]:
    return np.hanning(_FFT + 1)[:-1]


@cache
def _mel_filters() -> NDArray[np.float64]:
    """Slaney's triangular filters with equal area, shape (201, 80)."""
    top = _LINEAR_TOP_MEL + math.log(INPUT_RATE / 2 / _LINEAR_TOP_HZ) / _LOG_STEP
    edges = _mel_to_hz(np.linspace(0.0, top, _MELS + 2, dtype=np.float64))
    bins = np.linspace(0, INPUT_RATE / 2, _FFT // 2 + 1)[:, np.newaxis]
    rising = (bins - edges[:-2]) / np.diff(edges[:-1])
    falling = (edges[2:] - bins) / np.diff(edges[1:])
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = _LINEAR_TOP_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_TOP_MEL))
    return np.where(mels < _LINEAR_TOP_MEL, mels * _HZ_PER_MEL, logarithmic)
