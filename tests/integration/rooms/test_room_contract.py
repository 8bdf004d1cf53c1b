"""What every embedded room does, whatever its engine: run on both, against a real peer."""

import asyncio
import json
import random
import re
import time

import numpy as np
import pytest

from visavis.events import EndReason
from visavis.media import INPUT_TICK
from visavis.rooms import rtvi
from visavis.rooms.base import IceCandidate, RoomError
from visavis.rooms.webrtc import open_room

SIZE = (160, 128)


async def take(stream, count):
    taken = []
    async with asyncio.timeout(10):
        async for item in stream:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


async def test_messages_go_both_ways(room, user):
    await user.join(room)
    user.channel.send("ping: 1")
    user.channel.send(json.dumps({"type": "signalling", "message": {"type": "trackStatus"}}))
    user.channel.send(rtvi.encode(rtvi.RtviMessage("send-text", {"content": "Grüß dich"}, "7")))
    [message] = await take(room.messages(), 1)
    assert rtvi.request(message) == rtvi.SendText("Grüß dich")

    await room.send(rtvi.bot_ready({"agent": "demo"}, in_reply_to="7"))
    reply = json.loads(await asyncio.wait_for(user.texts.get(), 5))
    assert reply["label"] == "rtvi-ai"
    assert (reply["type"], reply["id"]) == ("bot-ready", "7")
    assert reply["data"] == {"version": "2.2.0", "about": {"agent": "demo"}}


async def test_malformed_and_oversized_messages_are_answered_and_dropped(room, user):
    await user.join(room)
    user.pc.sctp._remote_max_message_size = 0  # a client that does not care what we accept
    for bad in ("{", "[1]", '{"label": "other", "type": "x"}', "[" * 30_000, "x" * 70_000):
        user.channel.send(bad)
        reply = rtvi.decode(await asyncio.wait_for(user.texts.get(), 5))
        assert reply.type == "error"
        assert reply.data["fatal"] is False
    user.channel.send(rtvi.encode(rtvi.RtviMessage("client-ready", {"version": "2.1.0"})))
    [message] = await take(room.messages(), 1)
    assert message.type == "client-ready"


async def test_a_flood_of_messages_costs_the_oldest(room, user, until):
    await user.join(room)
    for n in range(1000):
        user.channel.send(rtvi.encode(rtvi.RtviMessage("client-message", {"t": "flood"}, str(n))))
    await until(lambda: user.channel.bufferedAmount == 0)
    user.channel.send("{")  # is answered once all before it has been read
    assert rtvi.decode(await asyncio.wait_for(user.texts.get(), 5)).type == "error"
    await room.close()
    left = [int(message.id) async for message in room.messages()]
    assert len(left) <= 256
    assert left[-1] == 999
    assert left == sorted(left)


async def test_sound_comes_in_real_time_with_its_silence(room, user):
    await user.join(room)
    start = time.monotonic()
    quiet = await take(room.audio_in(), 50)
    user.voice.talking = True
    loud = await take(room.audio_in(), 50)
    user.voice.talking = False
    after = await take(room.audio_in(), 50)
    elapsed = time.monotonic() - start

    chunks = quiet + loud + after
    assert all(len(chunk.pcm) == INPUT_TICK for chunk in chunks)
    assert elapsed == pytest.approx(3.0, abs=0.5)
    steps = np.diff([chunk.capture_us for chunk in chunks])
    assert np.median(steps) == 20_000
    assert steps.min() >= 0
    tone = np.concatenate([chunk.pcm for chunk in loud[25:45]]).astype(float)
    spectrum = np.abs(np.fft.rfft(tone))
    assert np.argmax(spectrum) * 16_000 / len(tone) == pytest.approx(500, abs=10)
    assert np.abs(np.concatenate([chunk.pcm for chunk in after[-10:]])).max() < 100


async def test_a_muted_user_is_not_lost(room, user):
    await user.join(room)
    departed = asyncio.create_task(room.departed())
    chunks = await take(room.audio_in(), 300)
    assert max(np.abs(chunk.pcm).max() for chunk in chunks) == 0
    assert not departed.done()
    departed.cancel()


async def test_voice_and_face_arrive_on_their_clock(call, until):
    _, user, _ = call
    await until(lambda: len(user.pictures) >= 50 and len(user.sound) >= 100)
    steps = np.diff([frame.pts for frame in user.pictures[5:]])
    assert np.median(steps) == 3600  # 40 ms of 90 kHz
    brightness = [int(np.median(f.to_ndarray(format="gray"))) for f in user.pictures[5:45]]
    assert len(set(brightness)) > 10
    samples = np.diff([frame.pts for frame in user.sound[20:]])
    assert np.median(samples) == 960
    sound = np.concatenate([frame.to_ndarray()[0][::2] for frame in user.sound[-20:]])
    assert 3000 < np.abs(sound).max() < 12_000


async def test_a_stalled_clock_does_not_shift_voice_against_face(call, until):
    _, user, show = call
    await until(lambda: len(user.pictures) >= 25 and len(user.sound) >= 50)
    voice, face = user.sound[-1].pts, user.pictures[-1].pts
    show.stalled = True
    await asyncio.sleep(0.4)
    show.stalled = False
    seen, heard = len(user.pictures), len(user.sound)
    await until(lambda: len(user.pictures) >= seen + 40 and len(user.sound) >= heard + 80)
    said_s = (user.sound[-1].pts - voice) / 48_000
    shown_s = (user.pictures[-1].pts - face) / 90_000
    assert said_s > 1.8
    assert said_s == pytest.approx(shown_s, abs=0.25)


async def test_a_key_frame_request_reaches_the_encoder(call, until):
    _, user, show = call
    await until(lambda: len(user.pictures) >= 10)
    asked, sent = show.keyframes_asked, show.keyframes_sent
    assert asked >= 1  # the first frame has to be one
    await user.ask_key_frame()
    await until(lambda: show.keyframes_asked > asked and show.keyframes_sent > sent)


async def test_poses_go_to_a_user_who_opens_a_channel_for_them(call, until):
    room, user, _ = call
    assert room.push_pose(b"nobody draws") is False
    poses, texts = [], []
    channel = user.pc.createDataChannel("coefficients", ordered=False, maxRetransmits=0)
    channel.on("message", poses.append)
    user.channel.on("message", texts.append)
    await until(lambda: room.push_pose(b"first"))

    def push():  # as the drawing thread does
        for n in range(20):
            assert room.push_pose(bytes([n]) * 71)
            time.sleep(0.01)

    await asyncio.to_thread(push)
    await until(lambda: bytes([19]) * 71 in poses)
    assert all(isinstance(pose, bytes) for pose in poses)
    assert texts == []
    user.channel.send("{")  # messages still have their own channel
    assert rtvi.decode(await asyncio.wait_for(user.texts.get(), 5)).type == "error"

    channel.close()
    await until(lambda: not room.push_pose(b"late"))
    again = user.pc.createDataChannel("coefficients", ordered=False, maxRetransmits=0)
    again.on("message", poses.append)
    await until(lambda: room.push_pose(b"again") and b"again" in poses)


async def test_a_congested_pose_channel_drops_and_never_blocks(call, until):
    room, user, _ = call
    user.pc.createDataChannel("coefficients", ordered=False, maxRetransmits=0)
    await until(lambda: room.push_pose(b"first"))
    user.vanish()
    start = time.monotonic()
    for _ in range(2000):
        room.push_pose(bytes(71))
    assert time.monotonic() - start < 5


async def test_closing_is_leaving(call):
    room, user, _ = call
    await user.leave()
    assert await asyncio.wait_for(room.departed(), 3) is EndReason.USER_LEFT
    async with asyncio.timeout(1):
        assert [m async for m in room.messages()] == []
        async for _ in room.audio_in():
            pass


async def test_disconnect_bot_is_leaving(room, user):
    await user.join(room)
    user.channel.send(rtvi.encode(rtvi.RtviMessage("disconnect-bot")))
    assert await asyncio.wait_for(room.departed(), 3) is EndReason.USER_LEFT
    assert [m.type async for m in room.messages()] == ["disconnect-bot"]


async def test_vanishing_is_being_lost(call, until):
    room, user, _ = call
    await until(lambda: len(user.pictures) >= 5)
    user.vanish()
    start = time.monotonic()
    assert await asyncio.wait_for(room.departed(), 12) is EndReason.CLIENT_LOST
    assert time.monotonic() - start > 3


async def test_the_user_comes_back_with_a_new_connection(call, until):
    room, user, _ = call
    await until(lambda: len(user.pictures) >= 5)
    again = type(user)()
    await again.join(room)
    await user.leave()
    await until(lambda: len(again.pictures) >= 5)
    again.channel.send(rtvi.encode(rtvi.RtviMessage("client-ready")))
    [message] = await take(room.messages(), 1)
    assert message.type == "client-ready"
    departed = asyncio.create_task(room.departed())
    await again.leave()
    assert await asyncio.wait_for(departed, 3) is EndReason.USER_LEFT


async def test_renegotiation_keeps_the_call(call, until):
    room, user, _ = call
    await until(lambda: len(user.pictures) >= 5)
    await user.pc.setLocalDescription(await user.pc.createOffer())
    answer = await room.answer(user.pc.localDescription.sdp)
    await user.pc.setRemoteDescription(type(user.pc.localDescription)(answer, "answer"))
    seen = len(user.pictures)
    await until(lambda: len(user.pictures) >= seen + 10)


async def test_bad_offers_are_refused_and_the_room_stays_usable(room, user):
    good = await user.offer()
    without_vp8 = good.replace("VP8/90000", "VPX/90000")
    bad = ["", "v=0", "\0", "hello", "v=0\r\n" * 100_000, good[: len(good) // 3], without_vp8]
    bad += [re.sub("a=fingerprint:(.*) ", r"a=fingerprint:\1 zz", good)]
    bad += [good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP 99999999999")]
    for offer in bad:
        with pytest.raises(RoomError) as refused:
            await room.answer(offer)
        assert refused.value.code == "bad_offer"
    with pytest.raises(RoomError, match="no offer"):
        await room.add_candidate(IceCandidate("candidate:1 1 udp 1 1.2.3.4 5 typ host", "0", 0))
    answer = await room.answer(good)
    assert "a=candidate:" in answer
    assert "a=max-message-size:65536" in answer
    with pytest.raises(RoomError, match="cannot be read"):
        await room.add_candidate(IceCandidate("candidate:rubbish", "0", 0))


async def test_damaged_offers_are_answered_or_refused_but_never_worse(engine, user):
    lines, chance, refused = (await user.offer()).split("\r\n"), random.Random(5), 0
    for _ in range(40):
        damaged = list(lines)
        for _ in range(chance.randint(1, 4)):
            at, other = chance.randrange(len(damaged)), chance.randrange(len(damaged))
            cut = chance.randrange(len(damaged[at]) + 1)
            junk = chance.choice(["", "9" * 30, "-1", "\t", ":", "%n", "a="])
            replaced = [damaged[at][:cut] + junk + damaged[at][cut + 2 :]]
            damaged[at : at + 1] = chance.choice([[], [damaged[other]], replaced])
        room = open_room(engine=engine, ice_servers=(), size=SIZE)
        try:
            await room.answer("\r\n".join(damaged))
        except RoomError:
            refused += 1
        await room.close()
    assert 0 < refused < 40


async def test_media_stays_in_the_udp_port_range(user):
    room = open_room(engine="reactor", ice_servers=(), size=SIZE, udp_ports=(41_000, 41_099))
    await user.join(room)
    local = re.findall(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+)", user.pc.remoteDescription.sdp)
    assert local
    assert all(41_000 <= int(port) <= 41_099 for port in local)
    await room.close()


async def test_aiortc_refuses_a_port_range_that_it_cannot_keep(user):
    room = open_room(engine="aiortc", ice_servers=(), size=SIZE, udp_ports=(41_000, 41_099))
    with pytest.raises(RoomError) as refused:
        await room.answer(await user.offer())
    assert refused.value.code == "udp_ports_unsupported"
    await room.close()


async def test_connect_has_a_deadline(engine):
    room = open_room(engine=engine, ice_servers=(), size=(64, 64), connect_timeout_s=0.1)
    with pytest.raises(RoomError) as refused:
        await room.connect()
    assert refused.value.code == "connect_timeout"
    await room.close()


async def test_close_says_goodbye_and_is_idempotent(room, user):
    await user.join(room)
    departed = asyncio.create_task(room.departed())
    await room.close()
    await room.close()
    goodbye = json.loads(await asyncio.wait_for(user.texts.get(), 3))
    assert goodbye == {"type": "signalling", "message": {"type": "peerLeft"}}
    with pytest.raises(RoomError, match="closed"):
        await departed
    assert [chunk async for chunk in room.audio_in() if chunk.pcm.any()] == []
    await room.send(rtvi.user_started_speaking())
    with pytest.raises(RoomError) as refused:
        await room.answer(user.pc.localDescription.sdp)
    assert refused.value.code == "room_closed"
