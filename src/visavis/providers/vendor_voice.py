"""What the voices of other vendors have in common: a request per clause, whole answers, errors."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager

import httpx2
import numpy as np

from visavis.media import Pcm, SpeechChunk, WordTime
from visavis.net.errors import OutgoingError
from visavis.providers.base import Endpoint, ProviderError
from visavis.providers.openai_http import http_for

RATE = 24_000
MAX_BYTES = 64 << 20
"""Of one clause's answer, times included."""


async def by_clause(
    text: AsyncIterator[str], say: Callable[[str], Awaitable[SpeechChunk]]
) -> AsyncGenerator[SpeechChunk]:
    """Clauses as they arrive, each said whole; what makes no sound is left out."""
    async for clause in text:
        if clause.strip():
            chunk = await say(clause)
            if len(chunk.pcm):
                yield chunk


@contextmanager
def vendor_errors(what: str) -> Generator[None]:
    """Turn failures of ``what`` into ``ProviderError``; never with the vendor's own words, which
    may quote a key."""
    try:
        yield
    except OutgoingError as error:
        raise ProviderError(error.code, f"{what}: {error.message}", retryable=False) from error
    except httpx2.TimeoutException as error:
        raise ProviderError("timeout", f"{what} did not answer in time.", retryable=True) from error
    except httpx2.HTTPError as error:
        raise ProviderError("unreachable", f"{what} cannot be reached.", retryable=True) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{what} sent an answer that makes no sense."
        raise ProviderError("bad_event", message, retryable=False) from error


@asynccontextmanager
async def posted(
    what: str, endpoint: Endpoint, path: str, headers: dict[str, str], body: dict[str, object]
) -> AsyncGenerator[AsyncGenerator[str]]:
    """The lines that a POST answers. Raises ``ProviderError``."""
    with vendor_errors(what):
        request = http_for(endpoint).stream(
            "POST", f"{endpoint.base_url.rstrip('/')}{path}", headers=headers, json=body
        )
        async with request as response:
            if not response.is_success:
                raise refusal(what, response.status_code)
            yield _lines(what, response)


async def _lines(what: str, response: httpx2.Response) -> AsyncGenerator[str]:
    received = 0
    async for line in response.aiter_lines():
        received += len(line)
        if received > MAX_BYTES:
            raise ProviderError("too_long", f"{what} does not stop speaking.", retryable=False)
        if line.strip():
            yield line


def refusal(what: str, status: int) -> ProviderError:
    """What an HTTP status of a vendor means."""
    hints = {
        401: " Is the API key right?",
        403: " Is the API key right?",
        404: " Is there such a voice?",
        422: " Is there such a voice and model?",
    }
    return ProviderError(
        f"http_{status}",
        f"{what} answered {status}.{hints.get(status, '')}",
        retryable=status >= 500 or status in (408, 409, 429),
    )


def sound(parts: Sequence[bytes]) -> Pcm:
    """Raw s16 little-endian pieces as samples."""
    data = b"".join(parts)
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


def words_of(
    letters: Sequence[str], starts_s: Sequence[float], ends_s: Sequence[float]
) -> tuple[WordTime, ...]:
    """Words and their times, from those of their letters."""
    words: list[WordTime] = []
    first: int | None = None
    for at, letter in enumerate([*letters, " "]):
        if letter.isspace() and first is not None:
            text = "".join(letters[first:at])
            words.append(WordTime(text, starts_s[first], ends_s[at - 1]))
            first = None
        elif not letter.isspace() and first is None:
            first = at
    return tuple(words)
