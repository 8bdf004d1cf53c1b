"""Who draws: pictures for those who cannot, poses for those who can, never a blank face."""

import numpy as np
import pytest

from tests.unit.conversation.conftest import FakeAvatar, FakeEncoder
from visavis.avatar import wire
from visavis.avatar.base import Phase, Playhead
from visavis.avatar.coefficients import ARKIT, Pose
from visavis.conversation.video import CLIENT_GRACE_US, VideoPump
from visavis.media import FPS
from visavis.testing import MemoryRoom

FRAME_US = 1_000_000 // FPS


class FakePuppet(FakeAvatar):
    """Poses whose breath counts them."""

    drawn: int = 0

    def pose(self, at: Playhead) -> Pose:
        self.frames.append(at)
        return Pose(np.zeros(len(ARKIT), np.float32), breath=len(self.frames) / 127)

    def draw(self, pose: Pose, out: object) -> None:
        self.drawn += 1


class Pumped:
    def __init__(self, render: str, avatar: FakeAvatar | None = None) -> None:
        self.room, self.encoder = MemoryRoom(), FakeEncoder()
        self.avatar = avatar or FakePuppet()
        self.pump = VideoPump(self.room, self.avatar, self.encoder, render)
        self.at_us = 5_000_000

    def show(self, frames: int = 1) -> None:
        for _ in range(frames):
            self.pump.submit(Playhead(self.at_us, Phase.IDLE, 0, 0, None))
            self.pump.draw_due()
            self.at_us += FRAME_US


@pytest.fixture
async def pumped():
    return Pumped


async def test_who_draws_is_sent_poses_and_no_video(pumped):
    it = pumped("client")
    it.room.takes_poses = True
    it.show(50)
    assert it.room.seen == [] and it.encoder.encoded == [] and it.avatar.drawn == 0  # noqa: PT018
    poses = [wire.decode(frame) for frame in it.room.posed]
    assert [at_ms for _, at_ms in poses] == [5000 + 40 * n for n in range(50)]
    assert [round(pose.breath * 127) for pose, _ in poses] == list(range(1, 51))
    assert it.pump.poses_sent == 50


async def test_a_client_that_never_opens_its_channel_gets_video(pumped):
    it = pumped("client")
    it.show(CLIENT_GRACE_US // FRAME_US)
    assert it.room.seen == []
    it.show(3)
    assert [key for _, key in it.encoder.encoded] == [True, False, False]
    assert len(it.room.seen) == it.avatar.drawn == 3


async def test_auto_draws_until_the_client_does_and_again_when_it_stops(pumped):
    it = pumped("auto")
    it.show(2)
    it.room.takes_poses = True
    it.show(3)
    it.room.takes_poses = False
    it.show(2)
    assert len(it.room.posed) == 3
    assert [key for _, key in it.encoder.encoded] == [True, False, True, False]
    times = [at for _, at in it.room.seen]
    assert times == [5_000_000 + n * FRAME_US for n in (0, 1, 5, 6)]


async def test_the_server_draws_where_it_is_told_to(pumped):
    it = pumped("server")
    it.room.takes_poses = True
    it.show(3)
    assert len(it.room.seen) == 3
    assert it.room.posed == []


async def test_a_face_without_poses_is_drawn_here_at_once(pumped):
    it = pumped("client", FakeAvatar())
    it.room.takes_poses = True
    it.show(3)
    assert len(it.room.seen) == 3
    assert it.room.posed == []
