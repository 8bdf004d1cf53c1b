"""``/v1/avatar``: a photo becomes a face that agents can have, and goes without a trace."""

from pathlib import Path

import cv2
import numpy as np

from visavis.avatar import rig


async def create(api, photo, **fields):
    form = {"name": "Ada", "consent": "synthetic", **fields}
    return await api.post("/v1/avatar", files={"file": ("ada.jpg", photo)}, data=form)


def files_of(avatar_id: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if avatar_id in str(path) and path.is_file()]


async def test_a_photo_becomes_a_face_that_an_agent_has(database_url, open_api, photo, tmp_path):
    api = await open_api(database_url=database_url)
    answer = await create(api, photo, consent="self")
    assert answer.status_code == 201, answer.text
    avatar = answer.json()
    assert avatar["origin"] == "photo"
    assert avatar["consent"]["subject"] == "self"
    assert "I am the person" in avatar["consent"]["statement"]
    assert avatar["consent"]["attested_by"]
    assert (await api.get(f"/v1/avatar/{avatar['id']}")).json() == avatar
    assert files_of(avatar["id"], tmp_path)
    assert [each["id"] for each in (await api.get("/v1/avatar")).json()["data"]] == [avatar["id"]]
    offered = (await api.get("/v1/providers")).json()["video"][0]["characters"]
    assert avatar["id"] in [each["id"] for each in offered]

    still = await api.get(avatar["preview_url"])
    assert still.headers["content-type"] == "image/webp"
    assert cv2.imdecode(np.frombuffer(still.content, np.uint8), cv2.IMREAD_COLOR) is not None

    video = {"character_id": avatar["id"]}
    agent = await api.post("/v1/agent", json={"name": "A", "configuration": {"video": video}})
    assert agent.status_code == 201, agent.text
    kept = await api.delete(f"/v1/avatar/{avatar['id']}")
    assert (kept.status_code, kept.json()["code"]) == (409, "avatar_in_use")
    assert kept.json()["agents"] == [{"id": agent.json()["id"], "name": "A"}]
    forced = await api.delete(f"/v1/avatar/{avatar['id']}", params={"force": True})
    assert forced.status_code == 204
    started = await api.post("/v1/start-agent-session", json={"agentId": agent.json()["id"]})
    assert started.status_code in (403, 422)
    assert (await api.get(f"/v1/avatar/{avatar['id']}")).status_code == 404
    assert (await api.get(avatar["preview_url"])).status_code == 404
    assert files_of(avatar["id"], tmp_path) == []
    audit = (await api.get("/v1/audit")).json()["data"]
    assert {"avatar.created", "avatar.deleted"} <= {each["action"] for each in audit}


async def test_a_picture_without_a_face_is_refused_in_plain_words(open_api):
    api = await open_api()
    noise = np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)
    answer = await create(api, cv2.imencode(".png", noise)[1].tobytes())
    assert (answer.status_code, answer.json()["code"]) == (422, "avatar_refused")
    assert answer.json()["reasons"][0]["code"] == "no_face"
    assert "No face" in answer.json()["detail"]
    assert (await api.get("/v1/avatar")).json()["data"] == []


async def test_what_is_no_picture_is_refused(open_api):
    api = await open_api()
    for content, code in ((b"hello", "not_a_picture"), (b"PK\x03\x04nonsense", "bad_rig")):
        answer = await create(api, content)
        assert answer.status_code == 422, answer.text
        assert answer.json()["reasons"][0]["code"] == code
    missing = await api.post("/v1/avatar", data={"name": "A", "consent": "self"})
    assert (missing.status_code, missing.json()["field"]) == (422, "file")
    odd = await create(api, b"hello", consent="maybe")
    assert (odd.status_code, odd.json()["field"]) == (422, "consent")
    big = await create(api, bytes(17 << 20))
    assert (big.status_code, big.json()["code"]) == (413, "body_too_large")


async def test_a_rig_is_taken_with_the_consent_it_comes_with(open_api):
    api = await open_api()
    answer = await create(api, rig.find("ava").read_bytes(), name="Twin", statement="Ours.")
    assert answer.status_code == 201, answer.text
    avatar = answer.json()
    assert (avatar["origin"], avatar["name"]) == ("rig", "Twin")
    assert avatar["consent"]["statement"] == "Ours."


async def test_a_clip_is_made_once_and_built_in_faces_have_one(open_api):
    api = await open_api()
    first = await api.get("/v1/avatar/ava/clip")
    assert first.status_code == 200, first.text
    assert first.content.startswith(b"\x1aE\xdf\xa3")
    assert (await api.get("/v1/avatar/ava/clip")).content == first.content
    deletion = await api.delete("/v1/avatar/ava")
    assert (deletion.status_code, deletion.json()["code"]) == (409, "avatar_builtin")
    assert (await api.get("/v1/avatar/nobody/clip")).status_code == 404


async def test_an_agent_cannot_have_a_face_that_is_not_there(open_api):
    api = await open_api()
    for video, field in (
        ({"character_id": "av-gone"}, "video.character_id"),
        ({"fallback_character_id": "mona"}, "video.fallback_character_id"),
        ({"background": {"kind": "image"}}, "video.background.image_url"),
    ):
        answer = await api.post("/v1/agent", json={"name": "A", "configuration": {"video": video}})
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"] == f"configuration.{field}"
