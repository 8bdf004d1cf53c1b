"""Server-Sent Events, cut anywhere."""

import pytest

from visavis.client.sse import ServerSent, SseParser

STREAM = "retry: 2000\n\nid: 1\nevent: état\ndata: ü\ndata:b\n\n: still here\n\ndata: c\r\n\r\n"
EXPECTED = [ServerSent("état", "ü\nb", "1"), ServerSent("message", "c", "1")]


@pytest.mark.parametrize("size", range(1, 20))
def test_pieces_of_any_size_give_the_same_events(size: int) -> None:
    stream = STREAM.encode()
    parser = SseParser()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [event for piece in pieces for event in parser.feed(piece)] == EXPECTED


def test_an_event_that_is_not_finished_is_not_given() -> None:
    parser = SseParser()
    assert list(parser.feed(b"data: half\n")) == []
    assert list(parser.feed(b"\n")) == [ServerSent("message", "half", "")]
