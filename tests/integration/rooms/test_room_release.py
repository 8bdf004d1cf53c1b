"""A room that is closed leaves nothing behind, and never takes the machine for itself."""

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path

import pytest

from visavis.rooms.webrtc import open_room

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SIZE = (160, 128)
CYCLES = 10


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def native_threads():
    return [int(path.name) for path in Path("/proc/self/task").iterdir()]


def thread_count():
    return len(native_threads())


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def one_call(engine, make_user, show_type):
    room, user = open_room(engine=engine, ice_servers=(), size=SIZE), make_user()
    await user.join(room)
    playing = asyncio.create_task(show_type(room).run())
    async with asyncio.timeout(5):
        while len(user.pictures) < 3:  # noqa: ASYNC110 - frames come without an event
            await asyncio.sleep(0.01)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    await room.close()
    await user.leave()


async def settled(read, at_most):
    """What ``read`` gives once the last threads and sockets of a call have ended."""
    for _ in range(100):
        if read() <= at_most:
            break
        await asyncio.sleep(0.05)
    return read()


async def test_ten_calls_leave_no_thread_file_task_or_memory(engine, call_types):
    make_user, show_type = call_types
    for _ in range(3):  # what is made once, is made now
        await one_call(engine, make_user, show_type)
    gc.collect()
    # The loop's default executor may still grow to its fixed size; it is not a leak.
    pool = min(32, (os.cpu_count() or 1) + 4)
    pooled = sum("asyncio_" in t.name for t in threading.enumerate())
    threads, files = thread_count() + pool - pooled, open_files()
    tasks, memory = len(asyncio.all_tasks()), resident_mb()
    for _ in range(CYCLES):
        await one_call(engine, make_user, show_type)
    gc.collect()
    assert await settled(thread_count, threads) <= threads
    assert await settled(open_files, files) <= files
    assert await settled(lambda: len(asyncio.all_tasks()), tasks) <= tasks
    assert resident_mb() - memory < 15


async def test_no_thread_runs_at_real_time_priority(user, call_types):
    _, show_type = call_types
    room = open_room(engine="reactor", ice_servers=(), size=SIZE)
    await user.join(room)
    playing = asyncio.create_task(show_type(room).run())
    async with asyncio.timeout(5):
        while len(user.pictures) < 3:  # noqa: ASYNC110 - frames come without an event
            await asyncio.sleep(0.01)
    threads = native_threads()
    policies = {os.sched_getscheduler(thread) for thread in threads}
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    await room.close()
    assert len(threads) > 5
    assert policies == {os.SCHED_OTHER}
