"""What the tests of this folder ask in common."""

import httpx

from tests.integration.control_plane.conftest import House

SHOP = "https://shop.example"


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    return body


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def new_key(house: House, *scopes: str, name: str = "test", **more: object) -> dict:
    body = {"name": name, "scopes": list(scopes), **more}
    answer = await house.http.post("/v1/key", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def new_agent(house: House, *origins: str) -> str:
    body = {
        "name": "Shop",
        "publish_status": "public",
        "configuration": {"allowed_origins": list(origins)},
    }
    answer = await house.http.post("/v1/agent", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def start(house: House, agent_id: str = "demo", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"agentId": agent_id}
    return await house.http.post("/v1/start-agent-session", json=body, headers=named)


async def audited(house: House, action: str) -> list[dict]:
    answer = await house.http.get("/v1/audit", params={"action": action})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def sessions_made(house: House) -> int:
    """How many sessions there ever were."""
    from sqlalchemy import func, select

    from visavis.storage.tables import SessionRow

    async with house.services.database.read() as session:
        return await session.scalar(select(func.count()).select_from(SessionRow)) or 0
