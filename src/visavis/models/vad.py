"""Voice activity: how likely is it that the last 32 ms hold a voice? (Silero VAD v6, MIT.)"""

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from visavis.media import INPUT_RATE, Pcm

VAD_FRAME = 512
"""Samples per decision: 32 ms at 16 kHz."""

_CONTEXT = 64
_STATE_SHAPE = (2, 1, 128)

Floats = NDArray[np.float32]


class OnnxSession(Protocol):
    """The one call that we make of ``onnxruntime.InferenceSession``."""

    def run(
        self, output_names: None, input_feed: dict[str, NDArray[np.generic]]
    ) -> list[NDArray[np.float32]]: ...


def onnx_session(path: Path) -> OnnxSession:
    """Load a model for one CPU thread that sleeps, rather than spins, between calls."""
    onnxruntime: Any = importlib.import_module("onnxruntime")  # heavy, and without types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
    return cast(OnnxSession, session)


class VadModel:
    """The loaded network: one per process, shared by all sessions (its state is an input)."""

    def __init__(self, path: Path) -> None:
        self._session = onnx_session(path)
        self._rate = np.array(INPUT_RATE, np.int64)

    def stream(self) -> "VoiceActivity":
        """Start listening to one voice stream."""
        return VoiceActivity(self)

    def run(self, samples: Floats, state: Floats) -> tuple[float, Floats]:
        """One step: ``samples`` (1, 64 + 512) and ``state`` (2, 1, 128) → probability, state."""
        feed: dict[str, NDArray[np.generic]] = {
            "input": samples,
            "state": state,
            "sr": self._rate,
        }
        probability, state = self._session.run(None, feed)
        return float(probability[0, 0]), state


class VoiceActivity:
    """One stream's memory. About 0.25 ms of CPU per frame: cheap enough for an event loop."""

    def __init__(self, model: VadModel) -> None:
        self._model = model
        self._state: Floats = np.zeros(_STATE_SHAPE, np.float32)
        self._samples: Floats = np.zeros((1, _CONTEXT + VAD_FRAME), np.float32)

    def probability(self, frame: Pcm) -> float:
        """How likely ``frame`` (``VAD_FRAME`` samples, following the last one) holds a voice."""
        self._samples[0, :_CONTEXT] = self._samples[0, -_CONTEXT:]
        self._samples[0, _CONTEXT:] = frame / np.float32(32768)
        probability, self._state = self._model.run(self._samples, self._state)
        return probability
