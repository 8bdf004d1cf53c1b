"""Messages between the server and the process of a borrowed face: the framing of face workers."""

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Any

from visavis.avatar.backends import worker_kit as kit

READ_LIMIT = 4 * 1024 * 1024
MAX_BACKLOG = 1024 * 1024
"""Bytes that may wait to be sent before pictures are left out."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One end. Not thread-safe."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        return self.writer.transport.get_write_buffer_size()

    def send(self, kind: int, utterance: int = 0, payload: bytes = b"") -> None:
        head = (kit.MAGIC, kind, 0, utterance, kit.NOWHERE, len(payload))
        self.writer.write(kit.HEADER.pack(*head) + payload)

    def send_json(self, kind: int, body: dict[str, Any], utterance: int = 0) -> None:
        self.send(kind, utterance, json.dumps(body).encode())

    async def receive(self) -> kit.Message | None:
        """The next message; None at the end."""
        try:
            head = await self.reader.readexactly(kit.HEADER.size)
            kind, flags, utterance, position_us, length = kit.parse_header(head)
            payload = await self.reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            return None
        return kit.Message(kind, utterance, position_us, payload, flags)


async def open_channel(sock: socket.socket) -> Channel:
    return Channel(*await asyncio.open_unix_connection(sock=sock, limit=READ_LIMIT))
