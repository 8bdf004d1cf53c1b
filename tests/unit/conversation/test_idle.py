import asyncio

import pytest

from visavis import events as ev
from visavis.conversation.idle import LONGEST_UTTERANCE_S, Deadline, IdleWatch


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_an_answer_in_the_making_is_no_idleness(clock):
    watch = IdleWatch(clock)
    watch.note(ev.UserTranscript(1, "What time is it?", final=True))
    clock.now += 500
    assert watch.idle_s == 0
    watch.note(ev.AgentStartedSpeaking(1))
    watch.note(ev.TurnCompleted(1, "", "", False, ev.TurnTimings(), 0, 0))
    clock.now += 500
    assert watch.idle_s == 0
    watch.note(ev.AgentStoppedSpeaking(1, interrupted=False))
    clock.now += 7
    assert watch.idle_s == 7
    assert watch.user_spoke


def test_a_user_who_speaks_long_is_not_idle_and_one_whose_end_was_lost_is_in_the_end(clock):
    watch = IdleWatch(clock)
    watch.note(ev.UserStartedSpeaking(1))
    clock.now += LONGEST_UTTERANCE_S
    assert watch.idle_s == 0
    clock.now += 5
    assert watch.idle_s == 5
    assert not watch.user_spoke


def test_noise_and_our_own_business_are_not_speech(clock):
    watch = IdleWatch(clock)
    clock.now += 9
    watch.note(ev.StateEntered(ev.SessionState.CONVERSATION))
    watch.note(ev.SessionError("x", "y", fatal=False))
    assert watch.idle_s == 9
    watch.note(ev.UserTranscript(1, "", final=True))
    assert watch.idle_s == 0
    assert not watch.user_spoke


async def test_a_deadline_can_be_moved_both_ways():
    deadline = Deadline(60)
    passed = asyncio.create_task(deadline.passed())
    await asyncio.sleep(0)
    deadline.set(120)
    await asyncio.sleep(0.01)
    assert not passed.done()
    deadline.set(0.01)
    async with asyncio.timeout(5):
        await passed
