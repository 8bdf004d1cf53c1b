"""``POST /v1/tool/{id}/test``: a real call, shown without its secrets."""

import hashlib
import hmac
import json

from tests.integration.platform_tools.servers import mcp_server, raw_server, serving
from tests.integration.platform_tools.test_tools_rest import SECRETS, create

LOOPBACK = {"outgoing_allow": ["127.0.0.1"]}


async def try_out(api, tool, parameters, **options):
    body = {"parameters": parameters, **options}
    answer = await api.post(f"/v1/tool/{tool['id']}/test", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_test_shows_what_was_sent_and_what_came_back(open_api, shop):
    server, url = shop
    api = await open_api(**LOOPBACK)
    tool = await create(api, server_url=f"{url}/weather", **SECRETS)
    result = await try_out(api, tool, {"city": "Oslo"})
    assert result["success"] is True
    assert result["validation"] == "passed"
    assert isinstance(result["execution_time_ms"], int)
    assert result["tool"] == {"id": tool["id"], "name": "get_weather"}
    envelope = {"tool_id": tool["id"], "tool_name": "get_weather", "parameters": {"city": "Oslo"}}
    sent = result["request_sent"]
    assert (sent["method"], sent["url"]) == ("POST", f"{url}/weather")
    assert sent["payload"] == envelope == server.seen[0].json
    assert sent["headers"]["Authorization"] == sent["headers"]["X-Tenant"] == "[REDACTED]"
    assert server.seen[0].headers["authorization"] == "Bearer tok-9f2c"
    received = result["response_received"]
    assert (received["status"], received["status_text"]) == (200, "OK")
    assert received["content_type"] == "application/json"
    assert received["body"] == {"temperature": 21, "city": None}


async def test_secrets_that_the_server_echoes_are_not_shown(open_api, shop):
    server, url = shop
    api = await open_api(**LOOPBACK)
    tool = await create(api, server_url=f"{url}/echo", **SECRETS)
    result = await try_out(api, tool, {"city": "Oslo"})
    assert server.seen[0].headers["x-tenant"] == "tenant-7781"
    assert result["response_received"]["body"]["headers"]["authorization"] == "Bearer [REDACTED]"
    assert "tenant-7781" not in json.dumps(result)


async def test_validate_only_calls_nobody(open_api, shop):
    server, url = shop
    api = await open_api(**LOOPBACK)
    tool = await create(api, server_url=f"{url}/weather")
    good = await try_out(api, tool, {"city": "Oslo"}, validate_only=True)
    assert (good["success"], good["validation"]) == (True, "passed")
    for wrong in ({}, {"city": 5}, {"city": "Oslo", "street": "x"}):
        bad = await try_out(api, tool, wrong, validate_only=True)
        assert (bad["success"], bad["validation"]) == (False, "failed")
        assert bad["message"]
        assert "request_sent" not in bad
    assert (await try_out(api, tool, {}))["validation"] == "failed"
    assert server.seen == []


async def test_an_hmac_signs_the_very_body(open_api, shop):
    server, url = shop
    api = await open_api(**LOOPBACK)
    auth = {"type": "hmac", "secret": "whisper-77"}
    tool = await create(api, server_url=f"{url}/x", auth_config=auth, payload_format="arguments")
    result = await try_out(api, tool, {"city": "Ålesund"})
    assert server.seen[0].json == {"city": "Ålesund"}
    stamp, signature = server.seen[0].headers["x-visavis-signature"].split(",")
    signed = stamp.removeprefix("t=").encode() + b"." + server.seen[0].body
    assert signature == "v1=" + hmac.new(b"whisper-77", signed, hashlib.sha256).hexdigest()
    assert result["request_sent"]["headers"]["X-Visavis-Signature"] == "[REDACTED]"


async def test_an_hmac_signs_the_query_of_a_request_without_a_body(open_api, shop):
    server, url = shop
    api = await open_api(**LOOPBACK)
    auth = {"type": "hmac", "secret": "whisper-77"}
    tool = await create(api, server_url=f"{url}/x?unit=°C", method="GET", auth_config=auth)
    await try_out(api, tool, {"city": "Ålesund & 'co'"})
    (seen,) = server.seen
    assert seen.query == {"unit": "°C", "city": "Ålesund & 'co'"}
    stamp, signature = seen.headers["x-visavis-signature"].split(",")
    target = f"{seen.path}?{seen.query_string}"
    signed = f"{stamp.removeprefix('t=')}.GET {target}".encode()
    assert signature == "v1=" + hmac.new(b"whisper-77", signed, hashlib.sha256).hexdigest()


async def test_errors_of_the_server_are_shown(open_api, shop):
    _, url = shop
    api = await open_api(**LOOPBACK)
    tool = await create(api, server_url=f"{url}/refuse")
    result = await try_out(api, tool, {"city": "Oslo"})
    assert result["success"] is False
    assert result["response_received"]["status"] == 422
    tool = await create(api, server_url="http://127.0.0.1:9/")
    result = await try_out(api, tool, {"city": "Oslo"})
    assert result["success"] is False
    assert "response_received" not in result
    assert result["message"]


ODD_BODIES = [
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b'{"a": "\\ud800"}',
    b"[" * 400 + b"]" * 400,
    b"\xff\x00\xfe",
    b'{"a": ' + b"9" * 5000 + b"}",
    b"x" * 100_000,
]


async def test_no_answer_of_a_tool_breaks_ours(open_api):
    body = b""

    async def answer(writer):
        head = f"HTTP/1.1 200 Fine\x80\r\nX-Odd: \xff\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode("latin-1") + body)
        await writer.drain()

    async with raw_server(answer) as url:
        api = await open_api(**LOOPBACK)
        tool = await create(api, server_url=f"{url}/")
        for body in ODD_BODIES:
            result = await try_out(api, tool, {"city": "Oslo"})
            assert result["response_received"]["status"] == 200, body[:20]
            assert len(json.dumps(result)) < 30_000


async def test_an_mcp_server_shows_its_tools(open_api):
    async with serving(mcp_server().streamable_http_app()) as url:
        api = await open_api(**LOOPBACK)
        server = await create(api, kind="mcp", name="library", server_url=f"{url}/mcp")
        result = await try_out(api, server, {})
        assert result["success"] is True
        assert "find_book" in [tool["name"] for tool in result["tools"]]
        assert result["tools"][0]["parameters_schema"]["required"] == ["title"]
    result = await try_out(api, server, {})
    assert (result["success"], result["message"]) == (False, "The tool cannot be reached.")


async def test_a_client_tool_is_only_checked(open_api):
    api = await open_api()
    tool = await create(api, kind="client", server_url=None)
    assert (await try_out(api, tool, {"city": "Oslo"}))["success"] is True
    assert (await try_out(api, tool, {"town": "Oslo"}))["success"] is False
