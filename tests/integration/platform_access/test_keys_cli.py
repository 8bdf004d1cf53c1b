"""``visavis keys`` against a running server, and past it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.integration.platform_access.asking import audited, bearer, problem
from visavis.cli import app


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """The command in a thread of its own, because the server runs in this one."""
    command = ["keys", *arguments]
    told = await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)
    return told.exit_code, told.stdout.strip(), told.stderr


async def run_apart(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """The command in a process of its own, which reads its own settings."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "visavis", "keys", *arguments),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    return process.returncode or 0, out.decode().strip(), told.decode()


async def test_the_first_key_comes_from_the_servers_own_machine(open_door, tmp_path: Path):
    house = await open_door(require_key=True)
    refused = await run("create", "x", "--scope", "*", VISAVIS_URL=house.url)
    assert refused[0] == 1
    assert "key_missing" in refused[2]

    local = ("create", "first", "--scope", "*", "--local")
    code, key, told = await run_apart(*local, VISAVIS_DATA_DIR=str(tmp_path))
    assert code == 0, told
    assert key.startswith("vv_")
    house.http.headers.update(bearer(key))
    assert (await house.http.get("/v1/me")).json()["key"]["name"] == "first"
    assert (await audited(house, "key.created"))[0]["actor"] == "command-line"

    there = {"VISAVIS_URL": house.url, "VISAVIS_API_KEY": key}
    scopes = ("--scope", "agents:read", "--scope", "tools:read", "--days", "7")
    code, second, told = await run("create", "reader", *scopes, **there)
    assert code == 0, told
    me = (await house.http.get("/v1/me", headers=bearer(second))).json()
    assert me["scopes"] == ["agents:read", "tools:read"]
    assert me["key"]["expires_at"]
    code, listed, _ = await run("list", **there)
    assert code == 0
    assert "reader" in listed
    assert second not in listed
    assert (await run("revoke", me["key"]["id"], **there))[:2] == (0, "revoked reader")
    problem(await house.http.get("/v1/me", headers=bearer(second)), 401, "key_revoked")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("create", "x", "--scope", "agents:fly"), "agents:write"), (("revoke", "x"), "refused")],
)
async def test_mistakes_are_told_in_plain_words(arguments, word):
    code, out, told = await run(*arguments, VISAVIS_URL="http://127.0.0.1:9")
    assert code == 1
    assert out == ""
    assert word in told
    assert "Traceback" not in told
