import av
import cv2
import numpy as np
import pytest

from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.puppet import Puppet
from visavis.avatar.rig import Rig
from visavis.media import I420, EncodedVideo


@pytest.fixture(scope="module")
def frames(ava: Rig) -> list[I420]:
    from visavis.avatar.base import Phase, Playhead

    puppet = Puppet(ava, size=(256, 256), seed=1)
    out = [I420.empty(256, 256) for _ in range(40)]
    for i, frame in enumerate(out):
        puppet.frame(Playhead(i * 40_000, Phase.LISTENING, 0, 0, None), frame)
    return out


def decode(packets: list[EncodedVideo]) -> list[np.ndarray]:
    decoder = av.CodecContext.create("vp8", "r")
    pictures = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    return [picture.to_ndarray() for picture in pictures]


def test_what_was_encoded_is_seen(frames: list[I420]) -> None:
    encoder = Vp8Encoder(256, 256)
    packets = [encoder.encode(frame, i) for i, frame in enumerate(frames)]
    assert packets[0].keyframe
    assert not any(packet.keyframe for packet in packets[1:])
    assert (packets[0].width, packets[0].height) == (256, 256)
    pictures = decode(packets)
    assert len(pictures) == len(frames), "one in, one out: nothing is held back"
    for picture, frame in zip(pictures, frames, strict=True):
        assert cv2.PSNR(picture, frame.buffer) > 36


def test_a_key_frame_comes_when_asked_for_and_stands_alone(frames: list[I420]) -> None:
    encoder = Vp8Encoder(256, 256)
    packets = [encoder.encode(frame, i, keyframe=i == 7) for i, frame in enumerate(frames)]
    assert [i for i, packet in enumerate(packets) if packet.keyframe] == [0, 7]
    alone = decode(packets[7:])
    assert cv2.PSNR(alone[0], frames[7].buffer) > 30
    assert cv2.PSNR(alone[-1], frames[-1].buffer) > 36


def test_the_frame_is_free_again_after_encode(frames: list[I420]) -> None:
    encoder, reused = Vp8Encoder(256, 256), I420.empty(256, 256)
    packets: list[EncodedVideo] = []
    for i, frame in enumerate(frames):
        reused.buffer[:] = frame.buffer
        packets.append(encoder.encode(reused, i))
        reused.buffer[:] = 0
    assert cv2.PSNR(decode(packets)[-1], frames[-1].buffer) > 36


def test_a_large_change_of_bitrate_is_obeyed_at_the_cost_of_a_key_frame(
    frames: list[I420],
) -> None:
    encoder = Vp8Encoder(256, 256, 400_000)
    encoder.encode(frames[0], 0)
    encoder.set_bitrate(150_000)
    packets = [encoder.encode(frame, 1 + i) for i, frame in enumerate(frames)]
    assert encoder.bitrate_bps == 150_000
    assert [i for i, packet in enumerate(packets) if packet.keyframe] == [0]
    spent = sum(len(packet.data) for packet in packets) * 8 * 25 / len(packets)
    assert spent < 200_000


def test_a_rising_estimate_does_not_cost_a_key_frame_each_step(frames: list[I420]) -> None:
    encoder = Vp8Encoder(256, 256, 300_000)
    keys: list[int] = []
    for i in range(160):
        encoder.set_bitrate(300_000 + 10_000 * i)
        if encoder.encode(frames[i % len(frames)], i).keyframe:
            keys.append(i)
    assert keys == [0, 76, 152]


def test_a_small_change_waits_for_the_next_key_frame(frames: list[I420]) -> None:
    encoder = Vp8Encoder(256, 256, 400_000)
    encoder.encode(frames[0], 0)
    encoder.set_bitrate(360_000)
    assert not encoder.encode(frames[1], 1).keyframe
    assert encoder.bitrate_bps == 400_000
    assert encoder.encode(frames[2], 2, keyframe=True).keyframe
    assert encoder.bitrate_bps == 360_000


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="256x256"):
        Vp8Encoder(256, 256).encode(I420.empty(128, 128), 0)
