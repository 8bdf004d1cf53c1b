import asyncio
import socket

import pytest

from visavis.events import AgentSaid, EndReason, EventRecord
from visavis.sessions.control import (
    FROM_WORKER,
    MAX_LINE,
    TO_WORKER,
    Channel,
    ChannelClosed,
    EndSession,
    Event,
    Heartbeat,
    MessageTooLong,
    Stop,
    open_channel,
)


@pytest.fixture
async def ends():
    left, right = socket.socketpair()
    server = await open_channel(left, FROM_WORKER)
    worker = await open_channel(right, TO_WORKER)
    yield server, worker
    await server.close()
    await worker.close()


async def test_messages_arrive_typed_and_in_order(ends):
    server, worker = ends
    record = EventRecord(session_id="s", seq=3, at_ms=7, event=AgentSaid(1, "line\nbreak “ü”"))
    worker.send(Event(record=record))
    worker.send(Heartbeat(sessions=1, loop_lag_ms=0.2))
    assert await server.receive() == Event(record=record)
    assert await server.receive() == Heartbeat(sessions=1, loop_lag_ms=0.2)
    server.send(EndSession(session_id="s", reason=EndReason.API_ENDED))
    server.send(Stop())
    assert (await worker.receive()).reason is EndReason.API_ENDED
    assert isinstance(await worker.receive(), Stop)


async def test_the_stream_ends_when_the_other_side_is_gone(ends):
    server, worker = ends
    worker.send(Heartbeat(sessions=0, loop_lag_ms=0))
    await worker.close()
    assert [type(message) async for message in server.messages()] == [Heartbeat]
    with pytest.raises(ChannelClosed):
        await server.receive()


@pytest.mark.parametrize(
    "line", [b"{}\n", b"not json\n", b'{"type":"heartbeat"}\n', b"x" * (MAX_LINE + 2)]
)
async def test_nonsense_closes_the_channel(line):
    left, right = socket.socketpair()
    channel: Channel = await open_channel(left, FROM_WORKER)
    right.setblocking(False)
    feeding = asyncio.create_task(asyncio.get_running_loop().sock_sendall(right, line))
    with pytest.raises(ChannelClosed):
        await channel.receive()
    feeding.cancel()
    await channel.close()
    right.close()


async def test_what_would_be_too_long_is_not_sent(ends):
    server, worker = ends
    said = AgentSaid(1, "x" * MAX_LINE)
    with pytest.raises(MessageTooLong):
        worker.send(Event(record=EventRecord(session_id="s", seq=0, at_ms=0, event=said)))
    worker.send(Heartbeat(sessions=1, loop_lag_ms=0.2))
    assert isinstance(await server.receive(), Heartbeat)


async def test_a_peer_that_never_reads_costs_bounded_memory():
    left, right = socket.socketpair()
    channel: Channel = await open_channel(left, FROM_WORKER)
    big = Event(
        record=EventRecord(session_id="s", seq=0, at_ms=0, event=AgentSaid(1, "x" * 100_000))
    )

    def flood() -> None:
        for _ in range(1000):
            channel.send(big)

    with pytest.raises(ChannelClosed, match="stopped reading"):
        flood()
    with pytest.raises(ChannelClosed):
        channel.send(big)
    await channel.close()
    right.close()
