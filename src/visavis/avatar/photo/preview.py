"""What a new face looks like: a picture, and a few seconds of it alive."""

import io
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from visavis.avatar.base import Phase, Playhead
from visavis.avatar.coefficients import ARKIT, Pose
from visavis.avatar.puppet import Puppet
from visavis.avatar.renderer import Renderer
from visavis.avatar.rig import Rig
from visavis.media import FPS, I420, OUTPUT_RATE, Pcm, SpeechChunk, TurnSpeech

_SIZE = (512, 512)
_BEFORE_S = 0.6
"""Quiet before the sentence, as a listener sees it; half of it after."""
_TURN = 1


def preview(rig: Rig) -> bytes:
    """The face at rest before its background, as it will be drawn: a WebP, 512 pixels square."""
    frame = I420.empty(*_SIZE)
    rest = np.zeros(len(ARKIT), np.float32)
    Renderer(rig, _SIZE).draw(Pose(rest), frame)
    bgr = cv2.cvtColor(frame.buffer, cv2.COLOR_YUV2BGR_I420)
    _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, 88])
    return data.tobytes()


def preview_clip(rig: Rig, speech: SpeechChunk | None, seconds: float = 4) -> bytes:
    """A WebM (VP8, Opus): the face alive, and saying ``speech`` where there is any.

    At least ``seconds`` long, and as long as the sentence needs. Blocks for a second or two.
    """
    puppet = Puppet(rig, size=_SIZE)
    said = None if speech is None else _at_output_rate(speech)
    start_s, end_s = _BEFORE_S, _BEFORE_S
    if said is not None:
        end_s = start_s + said.duration_s
        puppet.push_speech(TurnSpeech(_TURN, 0.0, said))
        seconds = max(seconds, end_s + _BEFORE_S / 2)
    frames = round(seconds * FPS)
    sink = io.BytesIO()
    with av.open(sink, "w", format="webm") as clip:
        film = _film(clip)
        voice = None if said is None else _voice(clip)
        if said is not None:
            _encode_sound(clip, voice, _padded(said, start_s, frames / FPS))
        for index in range(frames):
            at = _playhead(index / FPS, start_s, end_s)
            _encode_picture(clip, film, puppet, at, index)
        _mux(clip, film.encode(None))
    return sink.getvalue()


def _playhead(now_s: float, start_s: float, end_s: float) -> Playhead:
    """Listening, then speaking from ``start_s`` to ``end_s``, then listening again."""
    speaking = start_s <= now_s < end_s
    since_s = start_s if speaking else end_s if now_s >= end_s else 0.0
    return Playhead(
        capture_us=round(now_s * 1e6),
        phase=Phase.SPEAKING if speaking else Phase.LISTENING,
        phase_since_us=round(since_s * 1e6),
        turn_id=_TURN,
        position_s=now_s - start_s if speaking else None,
    )


def _film(clip: Any) -> Any:
    options = {"deadline": "realtime", "cpu-used": "-6", "crf": "18"}
    film = clip.add_stream("libvpx", rate=FPS, options=options)
    film.width, film.height = _SIZE
    film.pix_fmt = "yuv420p"
    film.bit_rate = 900_000
    film.codec_context.thread_count = 1  # on a busy machine more threads mostly wait
    return film


def _voice(clip: Any) -> Any:
    return clip.add_stream("libopus", rate=OUTPUT_RATE, layout="mono", bit_rate=64_000)


def _encode_picture(clip: Any, film: Any, puppet: Puppet, at: Playhead, index: int) -> None:
    drawn = I420.empty(*_SIZE)
    puppet.frame(at, drawn)
    frame = av.VideoFrame.from_ndarray(drawn.buffer, format="yuv420p")
    frame.pts, frame.time_base = index, Fraction(1, FPS)
    _mux(clip, film.encode(frame))


def _encode_sound(clip: Any, voice: Any, pcm: Pcm) -> None:
    frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = OUTPUT_RATE, 0
    frame.time_base = Fraction(1, OUTPUT_RATE)
    _mux(clip, voice.encode(frame))
    _mux(clip, voice.encode(None))


def _mux(clip: Any, packets: Any) -> None:
    for packet in packets:
        clip.mux(packet)


def _padded(said: SpeechChunk, start_s: float, seconds: float) -> Pcm:
    """The sentence in its place in the clip, quiet around it."""
    pcm = np.zeros(round(seconds * OUTPUT_RATE), np.int16)
    start = round(start_s * OUTPUT_RATE)
    room = pcm[start : start + len(said.pcm)]
    room[:] = said.pcm[: len(room)]
    return pcm


def _at_output_rate(chunk: SpeechChunk) -> SpeechChunk:
    if chunk.sample_rate == OUTPUT_RATE or not len(chunk.pcm):
        return replace(chunk, sample_rate=OUTPUT_RATE)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=OUTPUT_RATE)
    frame = av.AudioFrame.from_ndarray(chunk.pcm[None], format="s16", layout="mono")
    frame.sample_rate = chunk.sample_rate
    parts = [
        part.to_ndarray()[0] for part in (*resampler.resample(frame), *resampler.resample(None))
    ]
    return replace(chunk, pcm=np.concatenate(parts).astype(np.int16), sample_rate=OUTPUT_RATE)
