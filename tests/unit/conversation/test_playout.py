import asyncio
import time

import numpy as np
import pytest

from visavis.avatar.base import Phase
from visavis.conversation.playout import (
    MAX_BUFFERED_S,
    MAX_LATE_US,
    TICK_US,
    Playout,
    SpeechFinished,
    SpeechStarted,
    WordHeard,
    next_deadline,
)
from visavis.media import OUTPUT_RATE, OUTPUT_TICK, now_us
from visavis.testing import MemoryRoom


def words(events):
    return [event.text for event in events if isinstance(event, WordHeard)]


async def settle():
    """Let what threads and ticks have scheduled on the loop happen."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_silence_flows_on_every_tick(stage):
    stage.tick(5)
    assert [len(tick.pcm) for tick in stage.room.heard] == [OUTPUT_TICK] * 5
    assert not stage.sound.any()
    captures = [tick.capture_us for tick in stage.room.heard]
    assert np.diff(captures).tolist() == [TICK_US] * 4


async def test_speech_is_contiguous_across_chunks(stage, speech):
    first, second = speech(1, 0.0, 0.333), speech(1, 0.333, 0.501)
    await stage.playout.play(first)
    await stage.playout.play(second)
    stage.playout.finish(1)
    stage.tick(60)
    whole = np.concatenate((first.chunk.pcm, second.chunk.pcm))
    assert np.array_equal(stage.sound[: len(whole)], whole)
    assert not stage.sound[len(whole) :].any()


async def test_a_hole_in_the_timeline_is_silence(stage, speech):
    await stage.playout.play(speech(1, 0.0, 0.1))
    await stage.playout.play(speech(1, 0.3, 0.1))
    stage.tick(30)
    assert not stage.sound[round(0.1 * OUTPUT_RATE) : round(0.3 * OUTPUT_RATE)].any()
    assert stage.sound[round(0.3 * OUTPUT_RATE) + 100 :].any()


async def test_every_second_tick_has_a_frame_of_the_same_capture_time(stage, speech):
    await stage.playout.play(speech(1, 0.0, 1.0))
    stage.tick(20)
    assert [at for _, at in stage.room.seen] == [t.capture_us for t in stage.room.heard[::2]]
    positions = [at.position_s for at in stage.avatar.frames]
    assert positions == pytest.approx([i * 0.04 for i in range(10)])
    assert {at.phase for at in stage.avatar.frames[1:]} == {Phase.SPEAKING}


async def test_first_frame_is_a_keyframe_and_more_come_on_request(stage):
    stage.tick(4)
    stage.playout.video.request_keyframe()
    stage.playout.video.set_bitrate(300_000)
    stage.tick(4)
    assert [key for _, key in stage.encoder.encoded] == [True, False, True, False]
    assert [pts for pts, _ in stage.encoder.encoded] == [0, 1, 2, 3]
    assert stage.encoder.bitrates == [300_000]


async def test_a_late_frame_is_replaced_and_counted(stage):
    stage.tick(6, draw=False)
    assert stage.playout.video.draw_due()
    assert not stage.playout.video.draw_due()
    video = stage.playout.video
    assert (video.frames_sent, video.frames_dropped) == (1, 2)
    assert stage.avatar.frames[0].capture_us == stage.room.heard[4].capture_us
    assert len(stage.room.heard) == 6


async def test_words_are_reported_once_half_of_each_was_heard(stage, speech):
    await stage.playout.play(speech(1, 0.0, 0.4, "one two"))
    stage.playout.finish(1)
    stage.tick(5)
    await settle()
    assert words(stage.events) == ["one"]
    stage.tick(16)
    await settle()
    assert words(stage.events) == ["one", "two"]
    assert isinstance(stage.events[0], SpeechStarted)
    assert stage.events[-1] == SpeechFinished(1)
    assert stage.avatar.cleared == [1]


async def test_started_means_audible(stage, speech):
    quiet = speech(1, 0.0, 0.1)
    quiet.chunk.pcm[:] = 0
    await stage.playout.play(quiet)
    await stage.playout.play(speech(1, 0.1, 0.2))
    stage.tick(10)
    await settle()
    assert stage.events == [SpeechStarted(1, stage.room.heard[5].capture_us)]


async def test_interrupt_fades_one_tick_then_is_silent(stage, speech):
    await stage.playout.play(speech(1, 0.0, 2.0, "one two three four"))
    stage.tick(30)
    stage.playout.interrupt(1)
    assert words(stage.events) == ["one"]
    stage.tick(10)
    fade, after = stage.room.heard[30].pcm, stage.room.heard[31:]
    original = speech(1, 0.0, 2.0).chunk.pcm[30 * OUTPUT_TICK : 31 * OUTPUT_TICK]
    assert fade[0] == original[0]
    assert abs(int(fade[-1])) <= 10
    assert not any(tick.pcm.any() for tick in after)
    await settle()
    assert words(stage.events) == ["one"]
    assert SpeechFinished(1) not in stage.events
    assert stage.avatar.cleared == [1]
    assert stage.avatar.frames[-1].position_s is None


async def test_stale_turns_are_ignored(stage, speech):
    await stage.playout.play(speech(2, 0.0, 0.2))
    stage.playout.interrupt(2)
    await stage.playout.play(speech(1, 0.0, 0.2))
    await stage.playout.play(speech(2, 0.2, 0.2))
    stage.playout.finish(2)
    stage.tick(2)
    stage.tick(20)
    await settle()
    assert not stage.sound[OUTPUT_TICK:].any()
    assert stage.events == []
    assert [piece.turn_id for piece in stage.avatar.pushed] == [2]


async def test_a_newer_turn_replaces_an_older_one(stage, speech):
    await stage.playout.play(speech(1, 0.0, 5.0, "old"))
    await stage.playout.play(speech(2, 0.0, 0.2, "new"))
    await stage.playout.play(speech(1, 5.0, 1.0, "older"))
    stage.playout.finish(2)
    stage.tick(20)
    await settle()
    assert words(stage.events) == ["new"]


async def test_a_reply_without_speech_still_finishes(stage):
    stage.playout.finish(3)
    stage.tick()
    await settle()
    assert stage.events == [SpeechFinished(3)]


async def test_underrun_freezes_the_position_and_is_counted_once(stage, speech):
    await stage.playout.play(speech(1, 0.0, 0.1))
    stage.tick(10)
    await stage.playout.play(speech(1, 0.1, 0.1))
    stage.tick(6)
    assert stage.playout.underruns == 2
    heard = stage.sound.reshape(-1, OUTPUT_TICK).any(axis=1)
    assert heard.tolist() == [True] * 5 + [False] * 5 + [True] * 5 + [False]
    positions = [at.position_s for at in stage.avatar.frames]
    assert positions == pytest.approx([0.0, 0.04, 0.08, None, None, 0.1, 0.14, 0.18])


async def test_play_waits_while_enough_is_buffered(stage, speech):
    for i in range(8):
        await stage.playout.play(speech(1, float(i), 1.0))
    waiting = asyncio.create_task(stage.playout.play(speech(1, 8.0, 1.0)))
    await settle()
    assert not waiting.done()
    assert MAX_BUFFERED_S == 8.0
    stage.tick()
    await settle()
    assert waiting.done()


async def test_interrupt_releases_who_waits(stage, speech):
    await stage.playout.play(speech(1, 0.0, 9.0))
    waiting = asyncio.create_task(stage.playout.play(speech(1, 9.0, 1.0)))
    await settle()
    stage.playout.interrupt(1)
    await settle()
    assert waiting.done()
    assert len(stage.avatar.pushed) == 1


def test_jitter_keeps_the_deadline_grid():
    assert next_deadline(1000, 1000) == 1000 + TICK_US
    assert next_deadline(1000, 1000 + TICK_US + MAX_LATE_US) == 1000 + TICK_US


def test_a_stall_starts_the_clock_afresh_without_a_burst():
    late = 1000 + TICK_US + 400_000
    assert next_deadline(1000, late) == late
    assert next_deadline(late, late + 100) == late + TICK_US


class TestThreads:
    """The real clock, in its real threads."""

    async def test_barge_in_is_silent_within_60_ms(self, stage, speech):
        room = MemoryRoom()
        playout = Playout(room, stage.avatar, stage.encoder, lambda event: None)
        running = asyncio.create_task(playout.run())
        delays = []
        for turn_id in range(1, 6):
            await playout.play(speech(turn_id, 0.0, 5.0))
            await room.until(lambda: bool(room.heard) and bool(room.heard[-1].pcm.any()))
            decided = now_us()
            playout.interrupt(turn_id)
            await room.until(lambda: not room.heard[-1].pcm.any())
            silent = next(
                tick.at_us for tick in room.heard if tick.at_us > decided and not tick.pcm.any()
            )
            delays.append((silent - decided) / 1000)
        running.cancel()
        await asyncio.wait([running])
        assert np.median(delays) <= 60, delays

    async def test_a_slow_face_never_delays_the_sound(self, stage):
        room = MemoryRoom()

        class SlowAvatar(type(stage.avatar)):
            def frame(self, at, out):
                time.sleep(0.1)  # the slowness under test

        playout = Playout(room, SlowAvatar(), stage.encoder, lambda event: None)
        running = asyncio.create_task(playout.run())
        await room.until(lambda: len(room.heard) >= 50)
        running.cancel()
        await asyncio.wait([running])
        spans = np.diff([tick.capture_us for tick in room.heard])
        assert np.median(spans) == TICK_US
        assert playout.video.frames_dropped >= 10
        assert playout.video.frames_sent <= 14

    async def test_what_the_avatar_raises_ends_the_playout(self, stage):
        class BrokenAvatar(type(stage.avatar)):
            def frame(self, at, out):
                raise RuntimeError("no face")

        playout = Playout(MemoryRoom(), BrokenAvatar(), stage.encoder, lambda event: None)
        with pytest.raises(RuntimeError, match="no face"):
            async with asyncio.timeout(5):
                await playout.run()
