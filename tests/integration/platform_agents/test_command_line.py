"""``visavis agents`` against a running server: files in, files out."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.integration.platform_agents.conftest import Desk
from visavis.cli import app

TWO = """\
name: Guide
publish_status: public
configuration:
  llm:
    system_prompt: |-
      You are a guide.
      Be brief.
  idle_timeout_seconds: null
  allowed_origins: [https://a.example]
metadata: {team: {name: north, floor: 2}, gone: 1}
---
name: Clerk
"""


class CommandLine:
    """Runs ``visavis agents`` beside the server that it talks to."""

    def __init__(self, desk: Desk) -> None:
        self.environment = {"VISAVIS_URL": desk.url, "NO_COLOR": "1"}

    async def run(self, *words: str, stdin: str = "", code: int = 0) -> tuple[str, str]:
        invoke = partial(CliRunner().invoke, app, ["agents", *words], stdin, self.environment)
        done = await asyncio.to_thread(invoke)
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.stdout, done.stderr


@pytest.fixture
def line(quick_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(quick_desk)


async def test_a_file_makes_agents_and_an_export_makes_the_file(
    line: CommandLine, quick_desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    planned, _ = await line.run("apply", "--dry-run", "two.yaml")
    assert planned == "Guide: would be created\nClerk: would be created\n"
    assert (await quick_desk.http.get("/v1/agent")).json()["data"] == []
    made, _ = await line.run("apply", "two.yaml")
    assert [row.split(" (")[0] for row in made.splitlines()] == ["Guide: created", "Clerk: created"]
    agents = (await quick_desk.http.get("/v1/agent")).json()["data"]
    ids = {agent["name"]: agent["id"] for agent in agents}
    guide = await quick_desk.get(ids["Guide"])
    assert guide["publish_status"] == "public"
    assert guide["configuration"]["idle_timeout_seconds"] is None

    await line.run("export", ids["Guide"], ids["Clerk"], "-o", "again.yaml")
    written = list(yaml.safe_load_all((tmp_path / "again.yaml").read_text()))
    assert written[0]["configuration"] == yaml.safe_load(TWO.split("---")[0])["configuration"]
    again, _ = await line.run("apply", "again.yaml", "two.yaml")
    assert again.count("unchanged") == 4
    assert [row["version"] for row in await quick_desk.versions(ids["Guide"])] == [1]


async def test_applying_makes_the_agent_what_the_file_says_and_no_more(
    line: CommandLine, quick_desk: Desk
) -> None:
    await line.run("apply", "-", stdin=TWO)
    guide = "name: Guide\nconfiguration: {language: en-GB}\nmetadata: {team: {name: south}}\n"
    told, _ = await line.run("apply", "-", stdin=guide)
    first, *changes = told.splitlines()
    assert first.startswith("Guide: changed (")
    assert {change.split(":")[0].strip() for change in changes} == {
        "configuration.llm.system_prompt",
        "configuration.language",
        "configuration.idle_timeout_seconds",
        "configuration.allowed_origins",
        "metadata.team.name",
        "metadata.team.floor",
        "metadata.gone",
    }
    (agent,) = (await quick_desk.http.get("/v1/agent", params={"name": "Guide"})).json()["data"]
    assert agent["metadata"] == {"team": {"name": "south"}}
    assert agent["configuration"]["idle_timeout_seconds"] == 300
    assert agent["publish_status"] == "public", "the file says nothing of it"

    versions, _ = await line.run("versions", agent["id"])
    assert [row.split()[0] for row in versions.splitlines()] == ["v2", "v1"]
    rolled, _ = await line.run("rollback", agent["id"], "1")
    assert "version 3" in rolled
    await line.run("delete", agent["id"])
    listed, _ = await line.run("list")
    assert [row.split()[-1] for row in listed.splitlines()] == ["Clerk"]


async def test_mistakes_end_in_plain_words(line: CommandLine, quick_desk: Desk) -> None:
    unknown = "name: Bo\nconfiguration: {tts: {voice_id: rachel}}\n"
    _, told = await line.run("apply", "-", stdin=unknown, code=1)
    assert "configuration.tts.voice_id" in told
    assert "There is: heart, reed." in told
    _, told = await line.run("apply", "-", stdin="name: [", code=1)
    assert "not YAML" in told
    await quick_desk.create(name="Twin")
    await quick_desk.create(name="Twin")
    _, told = await line.run("apply", "-", stdin="name: Twin", code=1)
    assert "give the id" in told
    _, told = await line.run("get", "nobody", code=1)
    assert "agent_not_found" in told


async def test_the_demo_agent_exports_as_a_start_for_ones_own(line: CommandLine) -> None:
    text, _ = await line.run("export", "demo")
    assert "id" not in yaml.safe_load(text)
    made, _ = await line.run("apply", "-", stdin=text.replace("name: Ava", "name: Eve"))
    assert made.startswith("Eve: created (")


async def test_an_import_is_a_file_to_apply(line: CommandLine, tmp_path: Path) -> None:
    persona = {"persona_name": "Coach", "system_prompt": "Coach.", "default_replica_id": "r1"}
    (tmp_path / "persona.json").write_text(json.dumps(persona))
    text, told = await line.run("import", "--from", "tavus", "persona.json")
    assert told.startswith("not carried over: default_replica_id: ")
    made, _ = await line.run("apply", "-", stdin=text)
    assert made.startswith("Coach: created (")
    for junk in ("{", "[1]", '{"a": NaN}'):
        await line.run("import", "--from", "tavus", "-", stdin=junk, code=1)
