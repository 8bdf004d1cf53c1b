"""The model host over plain HTTP."""

import base64
import io
import itertools
import json
import signal
import subprocess
import sys
import time
import wave

import httpx
import numpy as np
import pytest

from .conftest import KEY, LLM, RunningHost, at_16_khz, await_health, free_port, start_host

pytestmark = pytest.mark.models

QUESTION = "Could you tell me where the gym is?"
CHAT = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 12, "seed": 1}


def speech_events(host: RunningHost, text: str, **extra: object) -> list[dict]:
    request = {"input": text, "stream_format": "sse", "response_format": "pcm", **extra}
    with host.client() as client:
        answer = client.post("/v1/audio/speech", json=request)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


def pcm_of(event: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(event["audio"]), "<i2")


def wav_of(pcm: np.ndarray, rate: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(rate)
        sink.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()


def transcribe(host: RunningHost, data: bytes, name: str = "a.wav", **form: str) -> httpx.Response:
    with host.client() as client:
        return client.post("/v1/audio/transcriptions", files={"file": (name, data)}, data=form)


# -- the house rules of the host -----------------------------------------------------------------


def test_health_lists_the_loaded_models(host):
    health = httpx.get(f"{host.url}/healthz").json()
    assert [model["name"] for model in health["models"]] == ["whisper-tiny.en", LLM, "hibari-heart"]
    assert all(model["state"] == "ready" and model["seconds"] > 0 for model in health["models"])


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}])
@pytest.mark.parametrize("path", ["chat/completions", "audio/speech", "audio/transcriptions"])
def test_nothing_without_the_key(host, path, header):
    answer = httpx.post(f"{host.url}/v1/{path}", headers=header, json=CHAT)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_models_are_listed_as_ours(host):
    with host.client() as client:
        models = client.get("/v1/models").json()["data"]
    assert {model["owned_by"] for model in models} == {"visavis"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("chat/completions", {**CHAT, "model": "gpt-9"}, 404, "model_not_found"),
        ("chat/completions", {"messages": "hello"}, 400, "invalid_request"),
        ("chat/completions", {"messages": []}, 400, "invalid_request"),
        ("chat/completions", {"messages": [{"role": "user"}, 3]}, 400, "invalid_request"),
        ("audio/speech", {"input": ""}, 400, "invalid_request"),
        ("audio/speech", {"input": "x" * 5000}, 400, "invalid_request"),
        ("audio/speech", {"input": "Hi", "voice": "darth"}, 400, "unknown_voice"),
        ("audio/speech", {"input": "Hi", "speed": 99}, 400, "invalid_request"),
    ],
)
def test_bad_requests_are_told_apart(host, path, body, status, code):
    with host.client() as client:
        answer = client.post(f"/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_prompt_beyond_the_context_is_refused(host):
    body = {**CHAT, "messages": [{"role": "user", "content": "word " * 20_000}], "stream": True}
    with host.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_a_missing_model_is_a_failed_host(tmp_path):
    lame = start_host(VISAVIS_MODELS_DIR=str(tmp_path))
    try:
        health = await_health(lame)
        assert health["status"] == "failed"
        assert any("visavis models pull" in model["message"] for model in health["models"])
        with lame.client() as client:
            answer = client.post("/v1/chat/completions", json=CHAT)
        assert answer.json()["error"]["code"] == "model_failed"
    finally:
        lame.process.kill()
        lame.process.wait(10)


def test_sigterm_ends_it_even_while_it_loads():
    young = start_host()
    try:
        await_health(young, until=("loading", "ready"))
        young.process.send_signal(signal.SIGTERM)
        assert young.process.wait(5) == 0
    finally:
        young.process.kill()


def test_it_does_not_outlive_its_parent():
    port = free_port()
    parent = (
        "import subprocess, sys\n"
        "host = subprocess.Popen([sys.executable, '-m', 'visavis.models.host',"
        f" '--port', '{port}', '--api-key', 'k', '--llm', '{LLM}'])\n"
        "print(host.pid, flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        orphan = int(process.stdout.readline())
        url = f"http://127.0.0.1:{port}"
        await_health(RunningHost(url, process), until=("loading", "ready"))
        process.kill()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=1)
        except httpx.ConnectError:
            return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"process {orphan} lives on")


# -- speech and transcription --------------------------------------------------------------------


def test_speech_comes_with_times_that_fit(host):
    *deltas, done = speech_events(host, f"{QUESTION} It opens at 6:30 am.")
    assert done["type"] == "speech.audio.done"
    assert [delta["text"] for delta in deltas] == [QUESTION, "It opens at 6:30 am."]
    for delta in deltas:
        duration = len(pcm_of(delta)) / delta["sample_rate"]
        assert [word["text"] for word in delta["words"]] == delta["text"].split()
        for times in (delta["words"], delta["phonemes"]):
            assert all(0 <= t["start_s"] <= t["end_s"] <= duration for t in times)
            pairs = itertools.pairwise(times)
            assert all(a["end_s"] <= b["start_s"] + 1e-6 for a, b in pairs)
        sounding = sum(p["end_s"] - p["start_s"] for p in delta["phonemes"])
        rest = 0.18 + 0.03
        assert sounding == pytest.approx(duration - rest, abs=0.12)
        assert not {"ˈ", "ˌ", "ː", " "} & {p["symbol"] for p in delta["phonemes"]}


def test_speech_starts_at_once_and_ends_softly(host):
    delta = speech_events(host, QUESTION)[0]
    pcm, rate = pcm_of(delta).astype(float), delta["sample_rate"]
    loud = np.flatnonzero(np.abs(pcm) > np.abs(pcm).max() * 0.05)
    assert loud[0] / rate < 0.12
    assert 0.12 < (len(pcm) - loud[-1]) / rate < 0.35
    assert abs(pcm[0]) < 20
    assert abs(pcm[-1]) < 20


def test_words_are_where_they_sound(host):
    delta = speech_events(host, "Good morning, how can I help you today?")[0]
    power = pcm_of(delta).astype(float) ** 2
    inside = np.zeros(len(power), bool)
    for word in delta["words"]:
        span = (int(word[edge] * delta["sample_rate"]) for edge in ("start_s", "end_s"))
        inside[slice(*span)] = True
    assert power[inside].sum() > 0.93 * power.sum()
    assert inside.mean() < 0.9


def test_markdown_and_emoji_are_not_spoken(host):
    deltas = speech_events(host, "**Sure** 😀, see [this](https://example.org)!")[:-1]
    assert " ".join(delta["text"] for delta in deltas) == "Sure , see this!"
    assert speech_events(host, "🎉 ***")[0]["type"] == "speech.audio.done"


def test_plain_formats_hold_the_same_sound(host):
    with host.client() as client:
        pcm = client.post("/v1/audio/speech", json={"input": QUESTION, "response_format": "pcm"})
        wav = client.post("/v1/audio/speech", json={"input": QUESTION, "response_format": "wav"})
    with wave.open(io.BytesIO(wav.content)) as source:
        assert (source.getframerate(), source.getnchannels()) == (24_000, 1)
        assert source.readframes(source.getnframes()) == pcm.content
    assert np.array_equal(
        np.frombuffer(pcm.content, "<i2"), pcm_of(speech_events(host, QUESTION)[0])
    )


def test_speed_changes_the_length(host):
    slow, fast = (pcm_of(speech_events(host, QUESTION, speed=s)[0]) for s in (0.8, 1.4))
    assert len(slow) > 1.4 * len(fast)


def pitch_of(pcm: np.ndarray, rate: int = 24_000) -> float:
    """The median fundamental of what is voiced, Hz."""
    found = []
    for start in range(0, len(pcm) - 2048, 1024):
        part = pcm[start : start + 2048].astype(float)
        echo = np.correlate(part, part, "full")[2047:]
        lag = rate // 320 + int(np.argmax(echo[rate // 320 : rate // 60]))
        if np.sqrt(np.mean(part**2)) > 1500 and echo[lag] > 0.5 * echo[0]:
            found.append(rate / lag)
    return float(np.median(found))


def test_the_deeper_voice_is_deeper_at_the_same_pace(host):
    (high,), (deep,) = (
        [event for event in speech_events(host, QUESTION, voice=voice) if "audio" in event]
        for voice in ("heart", "reed")
    )
    assert 0.6 < pitch_of(pcm_of(deep)) / pitch_of(pcm_of(high)) < 0.82
    assert len(pcm_of(deep)) / len(pcm_of(high)) == pytest.approx(1, abs=0.2)
    last = deep["phonemes"][-1]["end_s"]
    assert last == pytest.approx(len(pcm_of(deep)) / 24_000, abs=0.3)


@pytest.mark.parametrize("voice", ["heart", "reed"])
@pytest.mark.parametrize("text", [QUESTION, "How much is parking per night?", "Yes."])
def test_what_is_spoken_is_understood(host, text, voice):
    spoken = at_16_khz(pcm_of(speech_events(host, text, voice=voice)[0]), 24_000)
    answer = transcribe(host, wav_of(spoken)).json()["text"]
    assert answer.lower().strip("?. ") == text.lower().strip("?. ")


def test_a_prompt_shows_how_names_are_spelt(host):
    spoken = wav_of(at_16_khz(pcm_of(speech_events(host, "What is visavis?")[0]), 24_000))
    prompt = "Hello Ava. Is visavis free?"
    assert "visavis" in transcribe(host, spoken, prompt=prompt).json()["text"].lower()
    noise = wav_of(np.random.default_rng(3).standard_normal(32_000) * 600)
    assert transcribe(host, noise, prompt=prompt).json() == {"text": ""}


def test_transcription_formats(host):
    spoken = at_16_khz(pcm_of(speech_events(host, QUESTION)[0]), 24_000)
    assert transcribe(host, spoken.tobytes(), "a.pcm", response_format="text").text == QUESTION
    verbose = transcribe(host, wav_of(spoken), response_format="verbose_json").json()
    assert verbose["text"] == QUESTION
    assert verbose["duration"] == pytest.approx(len(spoken) / 16_000)
    assert transcribe(host, b"not sound").json()["error"]["code"] == "unsupported_format"


def test_nobody_speaking_is_no_text(host):
    rng = np.random.default_rng(3)
    hum = np.sin(np.arange(48_000) * 2 * np.pi * 100 / 16_000)
    for sound in (
        np.zeros(0),
        np.zeros(32_000),
        rng.standard_normal(32_000) * 12,
        rng.standard_normal(48_000) * 600,
        hum * 3000,
    ):
        assert transcribe(host, wav_of(sound)).json() == {"text": ""}


# -- chat ----------------------------------------------------------------------------------------


def streamed(host: RunningHost, body: dict) -> list[dict]:
    with host.client() as client:
        lines = client.post("/v1/chat/completions", json={**body, "stream": True}).text.splitlines()
    data = [line[6:] for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(item) for item in data[:-1]]


def test_a_streamed_reply_is_the_whole_one(host):
    with host.client() as client:
        whole = client.post("/v1/chat/completions", json={**CHAT, "temperature": 0}).json()
    chunks = streamed(host, {**CHAT, "temperature": 0})
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)
    assert text == whole["choices"][0]["message"]["content"] != ""
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert whole["usage"]["completion_tokens"] <= 12
    assert whole["model"] == chunks[0]["model"] == LLM


def test_a_schema_is_obeyed(host):
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["happy", "sad"]}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
    with host.client() as client:
        body = {**CHAT, "response_format": form, "max_tokens": 30}
        reply = client.post("/v1/chat/completions", json=body).json()
    assert json.loads(reply["choices"][0]["message"]["content"])["mood"] in ("happy", "sad")


def test_a_conversation_finds_its_prompt_in_the_cache(host):
    system = {"role": "system", "content": "You work at the Riverside Hotel. " * 10}
    warm = {"messages": [system], "max_tokens": 1, "user": "guest-1"}
    other = {
        "messages": [{**system, "content": "Other. " * 50}],
        "max_tokens": 1,
        "user": "guest-2",
    }
    with host.client() as client:
        client.post("/v1/chat/completions", json=warm)
        client.post("/v1/chat/completions", json=other)
        question = {"role": "user", "content": "Is there a pool?"}
        usage = client.post(
            "/v1/chat/completions", json={**warm, "messages": [system, question]}
        ).json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > 0.7 * usage["prompt_tokens"]
