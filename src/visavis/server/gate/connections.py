"""HTTP connections that cannot be held for nothing: uvicorn's, with deadlines and a bound."""

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_CONNECTIONS = 1000
HEADERS_S = 10.0
"""A request's head must be there this long after the connection, or after its first byte."""


class Connection(H11Protocol):
    """Also answers what is not HTTP with a problem document."""

    _deadline: asyncio.TimerHandle | None = None
    _upgraded = False
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # None before the first request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse("503 Service Unavailable", "busy", "Too many connections are open.")
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        self._upgraded = True
        self._stop_watching()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        self._refuse("400 Bad Request", "bad_http", "This is no HTTP request that we read.")

    def _watch(self) -> None:
        """Keep a deadline running exactly while a request's head is awaited.

        Between requests uvicorn's own keep-alive time counts, until the next byte comes.
        """
        if self.transport.is_closing() or self._answering() or self._upgraded:
            self._stop_watching()
        elif self._deadline is None and self.timeout_keep_alive_task is None:
            self._deadline = self.loop.call_later(HEADERS_S, self._too_slow)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        detail = f"The head of a request must come within {HEADERS_S:.0f} s."
        self._refuse("408 Request Timeout", "head_timeout", detail)

    def _refuse(self, status: str, code: str, detail: str) -> None:
        """Answer without the application, unless an answer has begun, and hang up."""
        self._stop_watching()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if cycle is not None and answering:
            cycle.disconnected = True
            cycle.message_event.set()
        if cycle is None or not (answering and cycle.response_started):
            self.transport.write(_document(status, code, detail))
        self.transport.close()


def _document(status: str, code: str, detail: str) -> bytes:
    number, _, title = status.partition(" ")
    problem = {
        "type": "about:blank",
        "title": title,
        "status": int(number),
        "detail": detail,
        "code": code,
        "request_id": None,
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
