"""Limits per key and per address; programs on this machine go free."""

from tests.integration.platform_access.asking import SHOP, bearer, new_key, problem, start


async def test_starts_are_limited_per_address(open_door):
    house = await open_door(
        sessions_per_worker=20,
        start_rate="3/minute",
        public_url="http://localhost:1",  # a proxy of ours may tell where requests come from
    )

    async def ask(address: str):
        return await start(house, Origin=SHOP, X_Forwarded_For=address)

    for _ in range(3):
        assert (await ask("1.1.1.1, 203.0.113.7")).status_code == 200
    refused = await ask("2.2.2.2, 203.0.113.7")  # what the client itself claims does not count
    problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"start";q=3;w=60'
    assert refused.headers["ratelimit"].startswith('"start";r=0;t=')
    assert refused.headers["access-control-allow-origin"] == "*"
    assert (await ask("203.0.113.8")).status_code == 200
    for number in range(3):
        assert (await ask(f"2001:db8:1:2::{number}")).status_code == 200
    problem(await ask("2001:db8:1:2:ffff::1"), 429, "rate_limited")  # one home, one /64
    assert (await ask("2001:db8:1:3::1")).status_code == 200
    for _ in range(5):
        assert (await start(house)).status_code == 200


async def test_requests_are_limited_per_key_and_per_address(open_door):
    house = await open_door(api_rate="5/minute")
    first, second = [bearer((await new_key(house, "*"))["key"]) for _ in range(2)]

    async def me(headers: dict[str, str]):
        return await house.http.get("/v1/me", headers=headers)

    for remaining in (4, 4, 3, 2, 1, 0):  # the first counts for the address: it was a stranger's
        answer = await me(first)
        assert answer.status_code == 200
        assert answer.headers["ratelimit"].startswith(f'"api";r={remaining};')
    refused = await me(first)
    problem(refused, 429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await me(second)).status_code == 200
    for _ in range(3):  # guessing is counted by address, whatever is guessed
        problem(await me(bearer(f"vv_{_}")), 401, "key_invalid")
    problem(await me(bearer("vv_other")), 429, "rate_limited")
    for _ in range(10):
        assert (await house.http.get("/v1/me")).status_code == 200
    assert (await house.http.get("/healthz")).status_code == 200
