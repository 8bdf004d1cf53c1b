"""Recordings from the call to the download; consent before the first byte (case 25)."""

import io
import stat
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from sqlalchemy import select

from visavis.events import RecordingConsent, RecordingStopped
from visavis.records.recorder_capture import MAGIC, Kind, Piece
from visavis.server.opening import StartError
from visavis.storage import sessions as store
from visavis.storage.tables import DeliveryRow


def _watch(mp4: bytes) -> tuple[int, float]:
    """How many pictures it has, and how loud its sound is."""
    with av.open(io.BytesIO(mp4)) as clip:
        assert clip.streams.video[0].codec_context.name == "h264"
        assert clip.streams.audio[0].codec_context.name == "aac"
        pictures = sum(1 for _ in clip.decode(video=0))
        clip.seek(0)
        sound = np.concatenate([frame.to_ndarray()[0] for frame in clip.decode(audio=0)])
    return pictures, float(np.sqrt((sound**2).mean()))


@pytest.mark.parametrize(("script", "asked_before"), [("yes-leave", False), ("none-leave", True)])
async def test_with_consent_the_call_becomes_an_mp4(
    open_records: Callable, script: str, asked_before: bool
) -> None:
    records = await open_records()
    session_id = await records.call(script, consent=asked_before)
    await records.ended(session_id)
    answer = await records.recording(session_id)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    pictures, loudness = _watch(answer.content)
    assert pictures == 75
    assert loudness > 0.05
    events = [record.event for record in await records.log(session_id)]
    assert RecordingConsent(True) in events
    stopped = [event for event in events if isinstance(event, RecordingStopped)]
    assert [event.duration_ms for event in stopped] == [2980]

    # Nothing but the blob is left, and only its owner can read it.
    assert records.media() == [f"blobs/recordings/{session_id}.mp4"]
    assert stat.S_IMODE((records.folder / "blobs").stat().st_mode) == 0o700
    async with records.house.services.database.read() as session:
        row = await store.find(session, session_id)
    assert row.recording == {
        "key": f"recordings/{session_id}.mp4",
        "size_bytes": len(answer.content),
        "duration_ms": 3000,
    }


async def test_a_recording_can_be_fetched_in_parts(open_records: Callable) -> None:
    records = await open_records()
    session_id = await records.call("yes-leave")
    await records.ended(session_id)
    whole = await records.recording(session_id)
    size = len(whole.content)
    url = f"/v1/session/{session_id}/recording"
    for asked, first, last in (
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, size - 1),
        ("bytes=-50", size - 50, size - 1),
        (f"bytes=5-{size + 99}", 5, size - 1),
    ):
        part = await records.recording(session_id, Range=asked)
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole.content[first : last + 1]
    for ignored in ("bytes=9-2", "lines=1-2", "bytes=0-1,5-6", "bytes=-", "bytes=a-b"):
        assert (await records.recording(session_id, Range=ignored)).content == whole.content
    for outside in (f"bytes={size}-", "bytes=-0"):
        refused = await records.recording(session_id, Range=outside)
        assert refused.status_code == 416
        assert refused.json()["size_bytes"] == size
    same = {"Range": "bytes=0-0", "If-Range": whole.headers["etag"]}
    assert (await records.recording(session_id, **same)).status_code == 206
    other = {"Range": "bytes=0-0", "If-Range": '"other"'}
    assert (await records.recording(session_id, **other)).status_code == 200
    head = await records.http.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(size)


async def test_who_may_fetch_a_recording(open_records: Callable) -> None:
    records = await open_records(require_key=True)
    session_id = await records.call("yes-leave")
    tokens = records.house.services.tokens
    url = f"/v1/session/{session_id}/recording"
    assert (await records.http.get(url)).status_code == 401
    other = {"Authorization": f"Bearer {tokens.issue('other', 1 << 42)}"}
    assert (await records.http.get(url, headers=other)).status_code == 403
    own = {"Authorization": f"Bearer {tokens.issue(session_id, 1 << 42)}"}
    assert (await records.recording(session_id, **own)).status_code == 200
    # A room token reads its own session, and deletes nothing.
    assert (await records.http.delete(f"/v1/session/{session_id}", headers=own)).status_code == 401


@pytest.mark.parametrize(
    ("script", "asked_before", "configuration"),
    [
        ("none-stay", False, {}),
        ("no-stay", False, {}),
        ("no-stay", True, {}),
        ("yes-stay", True, {"recording": {"enabled": False}}),
        ("yes-stay", True, {"retention": {"zero": True}}),
    ],
    ids=["not asked", "refused", "app said yes, user no", "not enabled", "zero retention"],
)
async def test_without_consent_no_byte_reaches_the_disk(
    open_records: Callable, script: str, asked_before: bool, configuration: dict
) -> None:
    records = await open_records()
    session_id = await records.call(script, consent=asked_before, **configuration)
    await records.shown(session_id)
    assert records.media() == []
    await records.http.post(f"/v1/session/{session_id}/end")
    await records.ended(session_id)
    assert records.media() == []
    answer = await records.recording(session_id)
    assert answer.status_code == 404
    assert answer.json()["code"] == "recording_not_found"
    events = [record.event for record in await records.log(session_id)]
    assert (RecordingConsent(False) in events) == (script == "no-stay")


async def test_with_consent_it_does_reach_the_disk_while_the_call_runs(
    open_records: Callable,
) -> None:
    """The other tests' scan would see it if it were there."""
    records = await open_records()
    session_id = await records.call("yes-stay")
    await records.until_media(f"recordings/{session_id}.capture")
    waiting = await records.http.get(f"/v1/session/{session_id}/recording")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "recording_pending")


async def test_a_killed_worker_leaves_a_recording_that_plays(open_records: Callable) -> None:
    records = await open_records()
    session_id = await records.call("yes-die")
    await records.ended(session_id)
    answer = await records.recording(session_id)
    assert answer.status_code == 200
    pictures, loudness = _watch(answer.content)
    assert pictures == 75
    assert loudness > 0.05


async def test_a_restarted_server_finishes_what_it_finds(
    open_records: Callable, tmp_path: Path
) -> None:
    """Also when the capture's end was never written, and beside one that makes no sense."""
    records = await open_records()
    session_id = await records.call("yes-leave")
    broken_id = await records.call("none-leave")
    await records.ended(session_id)
    await records.ended(broken_id)
    capture = tmp_path / "recordings"
    whole = (await records.recording(session_id)).content
    pieces = [Piece(Kind.USER_SOUND, n * 20_000, b"\1\2" * 320).to_bytes() for n in range(99)]
    (capture / f"{session_id}.capture").write_bytes(MAGIC + b"".join(pieces)[:-7])
    (capture / f"{broken_id}.capture").write_bytes(b"no capture at all")
    (capture / "orphan.capture").write_bytes(MAGIC + b"".join(pieces))
    again = await open_records()
    await again.until_media(f"blobs/recordings/{session_id}.mp4")
    answer = await again.recording(session_id)
    assert answer.content != whole
    assert (await again.recording(broken_id)).status_code == 404
    assert again.media() == [f"blobs/recordings/{session_id}.mp4"]


async def test_ids_that_are_none_are_refused(open_records: Callable) -> None:
    records = await open_records()
    for strange in ("*", "a%00b", "..%2f..", "x" * 65):
        for method in ("GET", "HEAD"):
            answer = await records.http.request(method, f"/v1/session/{strange}/recording")
            assert answer.status_code in (404, 422)
        assert (await records.http.delete(f"/v1/session/{strange}")).status_code in (404, 422)
    assert (await records.http.get("/v1/session/none/recording")).status_code == 404


async def test_webhooks_hear_of_a_recording_that_is_ready(open_records: Callable) -> None:
    records = await open_records(blobs_url="memory://elsewhere", outgoing_allow=["127.0.0.1"])
    hook = {"url": "https://127.0.0.1:9/hook", "events": ["recording.ready"]}
    assert (await records.http.post("/v1/webhook", json=hook)).status_code == 201
    session_id = await records.call("yes-leave")
    await records.ended(session_id)
    whole = await records.recording(session_id)
    assert _watch(whole.content)[0] == 75
    assert records.media() == [], "it is kept elsewhere"
    async with records.house.services.database.read() as session:
        told = (await session.scalars(select(DeliveryRow))).all()
    assert [row.session_id for row in told] == [session_id]
    data = told[0].payload["data"]
    assert data["duration_ms"] == 3000
    assert data["size_bytes"] == len(whole.content)
    assert data["recording_url"].endswith(f"/v1/session/{session_id}/recording")


async def test_a_store_that_cannot_be_used_keeps_the_server_from_starting(
    open_records: Callable,
) -> None:
    with pytest.raises(StartError, match="carrier-pigeon"):
        await open_records(blobs_url="carrier-pigeon://loft")
