"""Server-Sent Events (WHATWG), read as the bytes come."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class ServerSent:
    """One event of a stream."""

    event: str = "message"
    data: str = ""
    id: str = ""


@dataclass(slots=True)
class SseParser:
    """Feed it bytes; it gives the events that are complete."""

    _decode: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _rest: str = ""
    _event: str = ""
    _data: list[str] = field(default_factory=list[str])
    _id: str = ""

    def feed(self, piece: bytes) -> Iterator[ServerSent]:
        self._rest += self._decode.decode(piece)
        lines = self._rest.replace("\r\n", "\n").split("\n")
        self._rest = lines.pop()
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                yield ServerSent(self._event or "message", "\n".join(self._data), self._id)
                self._event, self._data = "", []

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case _:
                pass  # comments keep the connection alive
