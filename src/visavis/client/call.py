"""A request as a value: what to ask for and how to read the answer.

Resources describe their requests as ``Call`` or ``Download``; a transport, waiting or async,
sends them. So each request is written once.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from visavis.client.errors import BadAnswer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and the form fields that go with it."""

    file: bytes = field(repr=False)
    fields: Mapping[str, str]


Body = BaseModel | Mapping[str, Any] | Upload
Query = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request; ``read`` makes its successful answer into a value.

    A POST gets an ``Idempotency-Key``, so that sending it again does not do it again.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    body: Body | None = None
    query: Query = field(default_factory=dict[str, str])
    timeout_s: float | None = None

    def with_query(self, **more: str | int | None) -> "Call[T]":
        return replace(self, query={**self.query, **more})

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice is like sending it once."""
        return self.method in ("GET", "PUT", "DELETE", "POST")

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request, made once and sent as often as needed."""
        content, files, fields = None, None, None
        headers: dict[str, str] = {}
        if isinstance(self.body, Upload):
            files, fields = {"file": ("file", self.body.file)}, dict(self.body.fields)
        elif self.body is not None:
            content, headers["Content-Type"] = _json(self.body), "application/json"
        if self.method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        return http.build_request(
            self.method,
            self.path,
            content=content,
            files=files,
            data=fields,
            headers=headers,
            params=_given(self.query),
            timeout=http.timeout if self.timeout_s is None else self.timeout_s,
        )


Decoder = Callable[[bytes], Iterable[T]]
"""Takes the next piece of an answer, gives the items that it completes."""


@dataclass(frozen=True, slots=True)
class Download(Generic[T]):
    """A GET whose answer is read piece by piece as it comes."""

    path: str
    decoder: Callable[[], Decoder[T]]
    query: Query = field(default_factory=dict[str, str])
    accept: str = "*/*"
    silence_s: float = 60.0
    """Without a byte for this long, the connection counts as broken."""

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        return http.build_request(
            "GET",
            self.path,
            headers={"Accept": self.accept},
            params=_given(self.query),
            timeout=httpx.Timeout(10, read=self.silence_s),
        )


def into(kind: type[T]) -> Callable[[httpx.Response], T]:
    """Reads a JSON answer into a model (or any type pydantic knows)."""
    adapter = TypeAdapter(kind)

    def read(response: httpx.Response) -> T:
        try:
            return adapter.validate_json(response.content)
        except ValidationError as error:
            wrong = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise BadAnswer(
                f"{response.request.method} {response.request.url.path}: "
                f"not a {getattr(kind, '__name__', kind)} ({wrong}: {error.errors()[0]['msg']})"
            ) from error

    return read


def text(response: httpx.Response) -> str:
    """The answer as it stands: CSV, WebVTT, plain text."""
    return response.text


def nothing(response: httpx.Response) -> None:
    """For answers without content."""


def segment(value: str) -> str:
    """``value`` as one segment of a path, whatever it holds."""
    return quote(value, safe="")


def _json(body: BaseModel | Mapping[str, Any]) -> bytes:
    """Only what was set: the server knows its own defaults, and PATCH changes nothing else."""
    if isinstance(body, BaseModel):
        return body.model_dump_json(exclude_unset=True, by_alias=True).encode()
    return _ANY.dump_json(dict(body))


_ANY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _given(query: Query) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in query.items() if value is not None}
