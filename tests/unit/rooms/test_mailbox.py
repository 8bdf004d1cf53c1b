import asyncio

from visavis.rooms.base import KeyFrameRequest, RateUpdate
from visavis.rooms.mailbox import FeedbackBox, Mailbox


async def test_the_oldest_go_when_the_consumer_is_slow():
    box = Mailbox[int](3)
    for n in range(5):
        box.put(n)
    box.close()
    box.put(99)
    assert [n async for n in box] == [2, 3, 4]
    assert box.dropped == 2


async def test_a_waiting_consumer_is_woken_by_items_and_by_the_end():
    box, taken = Mailbox[int](3), []

    async def consume():
        async for n in box:
            taken.append(n)

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    box.put(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert taken == [1]
    box.close()
    await asyncio.wait_for(consumer, 1)


async def test_feedback_keeps_the_newest_rate_and_one_key_frame():
    box = FeedbackBox()
    for bps in (100, 200, 300):
        box.put(KeyFrameRequest())
        box.put(RateUpdate(bps))
    box.close()
    assert [feedback async for feedback in box] == [RateUpdate(300), KeyFrameRequest()]
