"""Who draws the face of a session, and the files for those who draw it themselves."""

import io
import zipfile

import pytest

from tests.integration.platform_agents.conftest import Desk, problem
from visavis.avatar import files, rig


async def agent(desk: Desk, **video: object) -> str:
    created = await desk.create(publish_status="private", configuration={"video": video})
    return created["id"]


@pytest.mark.parametrize(
    ("configured", "wished", "expected"),
    [
        ("auto", None, "auto"),
        ("auto", "client", "client"),
        ("auto", "server", "server"),
        ("client", None, "client"),
        ("client", "server", "server"),
        ("server", "client", "server"),
    ],
)
async def test_the_caller_says_what_it_can_and_the_agent_what_it_wants(
    desk: Desk, configured: str, wished: str | None, expected: str
) -> None:
    agent_id = await agent(desk, render=configured)
    started = (await desk.start(agent_id, video_render=wished)).json()
    assert (await desk.spec_of(started)).agent.video.render == expected
    assert (started["avatar"] is None) == (expected == "server")


async def test_what_a_client_needs_to_draw(desk: Desk) -> None:
    agent_id = await agent(desk, background={"kind": "colour", "colour": "#102030"})
    avatar = (await desk.start(agent_id, video_render="client")).json()["avatar"]
    assert avatar["ground"] == {"kind": "colour", "colour": "#102030"}
    file = await desk.http.get(avatar["rigUrl"])
    assert file.content == rig.find("ava").read_bytes()
    assert "avatar.json" in zipfile.ZipFile(io.BytesIO(file.content)).namelist()
    assert (await desk.http.get(avatar["meshUrl"])).content == files.mesh_json()
    assert (await desk.http.get(avatar["deltasUrl"])).content == files.deltas_f16()


async def test_a_client_that_has_a_file_is_not_sent_it_again(desk: Desk) -> None:
    for path in ("/avatars/ava/rig.avatar", "/avatars/face.json", "/avatars/face-deltas.f16"):
        first = await desk.http.get(path)
        assert "max-age" in first.headers["cache-control"]
        again = await desk.http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = await desk.http.get(path, headers={"If-None-Match": '"other"'})
        assert other.content == first.content


async def test_there_is_no_rig_but_those_that_visavis_comes_with(desk: Desk) -> None:
    for name in ("nobody", "av-12345"):
        problem(await desk.http.get(f"/avatars/{name}/rig.avatar"), 404, "character_not_found")


@pytest.mark.parametrize("background", [{"blur": 0.5}, {"kind": "own", "blur": 1}])
async def test_what_only_the_server_can_draw_comes_as_video(
    desk: Desk, background: dict[str, object]
) -> None:
    agent_id = await agent(desk, background=background)
    started = (await desk.start(agent_id, video_render="client")).json()
    assert started["avatar"] is None
    assert (await desk.spec_of(started)).agent.video.render == "server"
