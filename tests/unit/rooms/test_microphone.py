import numpy as np
import pytest

from visavis.media import INPUT_TICK
from visavis.rooms.microphone import Microphone

RATE = 48_000


def tone(seconds, channels=1, rate=RATE):
    wave = (9000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.int16)
    return np.repeat(wave, channels)


def feed(microphone, sound, *, start_us=0, channels=1, rate=RATE):
    """In pieces of 10 ms, each heard when it is over."""
    chunks, step = [], rate // 100 * channels
    for n, at in enumerate(range(0, len(sound), step)):
        now = start_us + (n + 1) * 10_000
        chunks += microphone.heard(sound[at : at + step].tobytes(), rate, channels, now)
        chunks += microphone.silence(now)
    return chunks


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (48_000, 2), (16_000, 1), (44_100, 1)])
def test_sound_is_cut_into_chunks_at_16_khz(rate, channels):
    chunks = feed(Microphone(0), tone(1.0, channels, rate), channels=channels, rate=rate)
    assert 48 <= len(chunks) <= 50
    assert all(chunk.pcm.shape == (INPUT_TICK,) for chunk in chunks)
    assert [chunk.capture_us for chunk in chunks] == [n * 20_000 for n in range(len(chunks))]
    heard = np.concatenate([chunk.pcm for chunk in chunks[5:45]]).astype(float)
    assert np.argmax(np.abs(np.fft.rfft(heard))) * 16_000 / len(heard) == pytest.approx(440, abs=5)
    assert np.abs(heard).max() == pytest.approx(9000, rel=0.05)


def test_nothing_heard_is_silence_in_real_time():
    microphone, chunks = Microphone(1_000_000), []
    for now in range(1_000_000, 6_000_000, 20_000):
        chunks += microphone.silence(now)
    assert len(chunks) == pytest.approx(250, abs=6)
    assert not any(chunk.pcm.any() for chunk in chunks)
    assert chunks[0].capture_us == 1_000_000
    assert set(np.diff([chunk.capture_us for chunk in chunks])) == {20_000}


def test_jitter_is_not_taken_for_silence():
    microphone, sound, chunks = Microphone(0), tone(0.5), []
    for n in range(50):
        now = (n + 1) * 10_000
        if n == 20:
            now += 60_000  # this piece, and those after it at once
        chunks += microphone.silence(now)
        chunks += microphone.heard(sound[n * 480 : (n + 1) * 480].tobytes(), RATE, 1, now)
    assert all(np.abs(chunk.pcm).max() > 5000 for chunk in chunks[1:])


def test_the_end_of_a_word_is_kept_before_the_silence():
    microphone = Microphone(0)
    feed(microphone, tone(0.11))
    [rest, *silence] = microphone.silence(300_000)
    assert rest.pcm.any()
    assert not rest.pcm[-INPUT_TICK // 4 :].any()
    assert not any(chunk.pcm.any() for chunk in silence)


def test_the_stream_never_runs_ahead_of_the_clock():
    microphone = Microphone(0)
    list(microphone.silence(1_000_000))
    late = list(microphone.heard(tone(0.8).tobytes(), RATE, 1, 1_000_000))
    assert len(late) >= 38
    [after] = microphone.heard(tone(0.02).tobytes(), RATE, 1, 1_020_000)
    assert after.capture_us <= 1_020_000
