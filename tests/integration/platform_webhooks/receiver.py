"""Somebody's webhook receiver on a loopback socket, which can be down, broken or slow."""

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Message:
    """One POST as it came."""

    id: str
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return json.loads(self.body)["type"]

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.body)["data"]

    def verify(self, secret: str) -> None:
        """Raises ``WebhookVerificationError``."""
        Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Its port is its own from the start; nobody listens there until ``up``.

    ``statuses`` are answered one after the other, then 200 for ever; "hang" answers never.
    ``look`` is shown every message the moment it comes.
    """

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.messages: list[Message] = []
        self.statuses: list[int | str] = []
        self.headers: list[str] = []
        """Of every answer."""
        self.look: Callable[[Message], None] = lambda _: None
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()
        self._open: set[asyncio.Task[None]] = set()

    async def up(self) -> "Receiver":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def until(self, count: int, within_s: float = 20) -> list[Message]:
        """Wait for so many messages, repetitions included."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.messages) >= count)
        return list(self.messages)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while True:
                await self._answer(await self._read(reader), writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Message:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.strip().split("\r\n")[1:]
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        return Message(headers["webhook-id"], headers, body)

    async def _answer(self, message: Message, writer: asyncio.StreamWriter) -> None:
        status = self.statuses.pop(0) if self.statuses else 200
        self.look(message)
        async with self._news:
            self.messages.append(message)
            self._news.notify_all()
        if status == "hang":
            await asyncio.sleep(60)
        location = b"location: http://127.0.0.1:9/\r\n" if status in (301, 302) else b""
        more = "".join(f"{header}\r\n" for header in self.headers).encode() + location
        writer.write(b"HTTP/1.1 %d X\r\n%bcontent-length: 2\r\n\r\n{}" % (int(status), more))
        await writer.drain()
