"""The three requests a caller makes of a server, and the errors it can get."""

from dataclasses import dataclass, field
from typing import Any, cast

import httpx

_TIMEOUT = httpx.Timeout(30, connect=5)


class ServerRefused(Exception):
    """The server answered with an error; ``code`` is the problem's stable code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ServerUnreachable(Exception):
    """Nobody answers at the server's address."""


@dataclass(frozen=True, slots=True)
class StartedSession:
    session_id: str
    room_url: str
    token: str = field(repr=False)
    web_link: str
    ice_servers: list[dict[str, Any]]


class ServerApi:
    """Use as ``async with ServerApi(url) as api``."""

    def __init__(self, server: str) -> None:
        self.server = server.rstrip("/")
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    async def __aenter__(self) -> "ServerApi":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def start_session(self, agent_id: str) -> StartedSession:
        """A room with this agent. Raises ``ServerRefused`` (unknown agent, full house, …)."""
        body = await self._request(
            "POST", f"{self.server}/v1/start-agent-session", json={"agentId": agent_id}
        )
        return StartedSession(
            body["sessionId"],
            body["roomUrl"].rstrip("/"),
            body["dailyToken"],
            body.get("webLink") or f"{self.server}/meet/{agent_id}",
            body.get("iceServers") or [],
        )

    async def offer(self, session: StartedSession, sdp: str) -> str:
        """The room's answer to an SDP offer."""
        body = await self._request(
            "POST",
            f"{session.room_url}/api/offer",
            json={"sdp": sdp, "type": "offer"},
            headers={"Authorization": f"Bearer {session.token}"},
        )
        return body["sdp"]

    async def session(self, session: StartedSession) -> dict[str, Any]:
        """The session's record: states, turns with their latency breakdown, figures."""
        return await self._request(
            "GET",
            f"{self.server}/v1/session/{session.session_id}",
            headers={"Authorization": f"Bearer {session.token}"},
        )

    async def _request(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"{url}: {error or type(error).__name__}") from error
        if response.is_success:
            return response.json()
        raise _refusal(response)


def _refusal(response: httpx.Response) -> ServerRefused:
    """Read ``application/problem+json``; make the best of anything else."""
    try:
        body: Any = response.json()
    except ValueError:
        body = None
    problem: dict[str, Any] = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    code = str(problem.get("code") or f"http_{response.status_code}")
    detail = problem.get("detail") or problem.get("title") or response.reason_phrase
    return ServerRefused(response.status_code, code, f"{detail} ({code})")
