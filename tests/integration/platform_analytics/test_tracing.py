"""Traces, as a real OTLP receiver gets them."""

import asyncio
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from visavis.events import (
    AgentStartedSpeaking,
    EndReason,
    EventRecord,
    SessionEnded,
    SessionState,
    StateEntered,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    TurnTimings,
    UserStartedSpeaking,
)
from visavis.server.telemetry.tracing import Tracing
from visavis.storage.analytics import TracedAgent


class Receiver:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list = []
        self.resources: set[str] = set()
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources |= {
                f"{it.key}={it.value.string_value}" for it in resource.resource.attributes
            }
            for scope in resource.scope_spans:
                self.spans += scope.spans

    async def until(self, name: str) -> None:
        async with asyncio.timeout(15):
            while True:
                if name in {span.name for span in self.spans}:
                    return
                await asyncio.sleep(0.05)

    def one(self, name: str):
        (span,) = [span for span in self.spans if span.name == name]
        return span


def attributes(span) -> dict[str, object]:
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in span.attributes}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_session_is_a_trace_with_its_turns_and_stages(
    open_house: Callable, receiver: Receiver
) -> None:
    house = await open_house(workers=1, otel_endpoint=receiver.url)
    started = await house.start()
    await house.offer(started, "leave")
    record = await house.until_ended(started)
    await receiver.until("invoke_agent Ava")
    root, turn = receiver.one("invoke_agent Ava"), receiver.one("turn 1")
    assert "service.name=visavis" in receiver.resources
    assert {span.trace_id for span in receiver.spans} == {root.trace_id}
    assert root.parent_span_id == b""
    assert turn.parent_span_id == root.span_id
    about = attributes(root)
    assert about["gen_ai.operation.name"] == "invoke_agent"
    assert about["gen_ai.conversation.id"] == started["sessionId"]
    assert about["visavis.end_reason"] == "user_left"
    assert attributes(turn)["visavis.interrupted"] is False
    states = record["states"]
    assert root.start_time_unix_nano == states["request"] * 1_000_000
    assert root.end_time_unix_nano == states["ended"] * 1_000_000
    assert turn.start_time_unix_nano < turn.end_time_unix_nano <= root.end_time_unix_nano
    assert "hello there" not in str(receiver.spans)  # no content unless asked


async def test_stages_and_tools_lie_below_their_turn_at_their_times(
    receiver: Receiver,
) -> None:
    records = _conversation()
    tracing = Tracing(receiver.url, content=True)
    agent = TracedAgent(
        "a-1", "Ava", {"llm": ("openai", "gpt"), "stt": ("x", "whisper"), "tts": ("y", "kokoro")}
    )
    async with tracing.running():
        tracing._agents["s-1"] = agent
        tracing.after(records)
        tracing.after(records[-1:])  # what comes after the end is no harm
    turn = receiver.one("turn 1")
    at = {name: receiver.one(name) for name in ("stt", "chat gpt", "tts", "execute_tool weather")}
    assert {span.parent_span_id for span in at.values()} == {turn.span_id}
    times = {
        name: (span.start_time_unix_nano // 10**6, span.end_time_unix_nano // 10**6)
        for name, span in at.items()
    }
    assert times == {  # the user's last sound was at 10_000
        "stt": (10_000, 10_300),
        "chat gpt": (10_350, 10_600),
        "tts": (10_600, 10_700),
        "execute_tool weather": (10_400, 10_480),
    }
    chat = attributes(at["chat gpt"])
    assert (chat["gen_ai.operation.name"], chat["gen_ai.request.model"]) == ("chat", "gpt")
    assert json.loads(str(chat["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "Sunny."
    tool = attributes(at["execute_tool weather"])
    assert (tool["gen_ai.tool.name"], tool["error.type"]) == ("weather", "timeout")
    assert at["execute_tool weather"].status.code == 2
    late = receiver.one("execute_tool book")  # async: its turn was over when it finished
    assert late.parent_span_id == receiver.one("invoke_agent Ava").span_id


def _conversation() -> list[EventRecord]:
    timings = TurnTimings(
        transcript_ms=300,
        turn_decided_ms=350,
        llm_first_token_ms=500,
        first_clause_ms=600,
        tts_first_audio_ms=700,
        voice_to_voice_ms=800,
    )
    told = [
        (1_000, StateEntered(SessionState.REQUEST)),
        (9_000, UserStartedSpeaking(1)),
        (10_400, ToolCallStarted(1, "c1", "t1", "weather", "{}")),
        (10_450, ToolCallStarted(1, "c2", "t2", "book", "{}", is_async=True)),
        (10_480, ToolCallFinished(1, "c1", "weather", False, "", 80.0, "timeout")),
        (10_800, AgentStartedSpeaking(1)),
        (12_000, TurnCompleted(1, "The weather?", "Sunny.", False, timings, 0, 0)),
        (13_000, ToolCallFinished(1, "c2", "book", True, "ok", 2_550.0)),
        (14_000, SessionEnded(EndReason.WORKER_LOST)),
        (14_000, StateEntered(SessionState.ENDED)),
    ]
    return [
        EventRecord(session_id="s-1", seq=seq, at_ms=at_ms, event=event)
        for seq, (at_ms, event) in enumerate(told)
    ]


async def test_a_collector_that_is_away_holds_nobody_up(open_house: Callable) -> None:
    house = await open_house(workers=1, otel_endpoint="http://127.0.0.1:9")
    started = await house.start()
    await house.offer(started, "leave")
    record = await house.until_ended(started)
    assert record["end_reason"] == "user_left"


def test_opentelemetry_is_loaded_for_nobody_who_does_not_ask() -> None:
    check = "import sys, visavis.server.run; print([m for m in sys.modules if 'otlp' in m])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
