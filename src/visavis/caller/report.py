"""What a call was like, turn by turn: for ``report.json``, captions and the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from visavis.caller.call import Exchange
from visavis.caller.peer import Received
from visavis.caller.sync import Skew, measure_skew
from visavis.caller.witness import Witness
from visavis.records.transcript import Utterance, Word
from visavis.records.webvtt import webvtt


@dataclass(frozen=True, slots=True)
class TurnReport:
    """One utterance of the caller and the agent's reply."""

    said: str
    """What was said: the sentence, or the recording's name where its words are not known."""
    source: str
    spoken_s: float
    transcript: str
    """What the server understood."""
    reply: str
    """The words of the reply that were played."""
    interrupted: bool
    voice_to_voice_ms: float | None
    """The caller's own: last sample sent to first audible sample of the reply received.

    Network both ways included, the listener's jitter buffer not.
    """
    server_ms: dict[str, float | None]
    """The server's breakdown, ms after the user's last voiced sample (``TurnTimings``)."""
    video_fps: float
    longest_gap_ms: float
    av_skew: Skew | None
    """As ``sync.py`` defines it: positive when sound is late."""


@dataclass(frozen=True, slots=True)
class CallReport:
    server: str
    agent_name: str
    session_id: str
    web_link: str
    length_s: float
    turns: list[TurnReport]
    end_reason: str | None = None
    errors: list[str] = field(default_factory=list[str])

    @property
    def answered(self) -> bool:
        """Whether every turn got an audible reply."""
        return bool(self.turns) and all(turn.voice_to_voice_ms is not None for turn in self.turns)


def turn_report(
    exchange: Exchange, witness: Witness, server_turns: Sequence[dict[str, Any]]
) -> TurnReport:
    """Join what the caller measured with the server's record of the same exchange.

    ``server_turns`` are the turns that the server completed during it, oldest first: more than
    one where it took a pause within the utterance for its end.
    """
    start_s, end_s = exchange.spoken.start_s, exchange.end_s
    pictures = [seen for seen in witness.pictures if start_s <= seen.arrived_s <= end_s]
    last = server_turns[-1] if server_turns else {}
    voice_to_voice = (
        None if exchange.replied_s is None else exchange.replied_s - exchange.spoken.end_s
    )
    return TurnReport(
        said=exchange.utterance.text or exchange.utterance.source,
        source=exchange.utterance.source,
        spoken_s=round(exchange.utterance.duration_s, 2),
        transcript=_joined(turn.get("user_text") for turn in server_turns)
        or _heard(exchange, witness),
        reply=_joined(turn.get("agent_text") for turn in server_turns)
        or _replied(exchange, witness),
        interrupted=exchange.interrupted_by_us,
        voice_to_voice_ms=None if voice_to_voice is None else round(1000 * voice_to_voice, 1),
        server_ms=last.get("timings") or {},
        video_fps=round(len(pictures) / (end_s - start_s), 2),
        longest_gap_ms=_longest_gap_ms(pictures),
        av_skew=measure_skew(
            witness.sound_transits(start_s, end_s), witness.picture_transits(start_s, end_s)
        ),
    )


def captions(witness: Witness, exchanges: Sequence[Exchange], agent_name: str) -> str:
    """WebVTT of both sides, timed from the clip's first picture."""
    zero_ms = _ms(witness.video.start_s or 0.0)
    mine = [
        Utterance(
            "user",
            turn,
            _ms(exchange.spoken.start_s),
            _ms(exchange.spoken.end_s),
            exchange.utterance.text or _heard(exchange, witness) or "(inaudible)",
        )
        for turn, exchange in enumerate(exchanges)
    ]
    both = sorted([*mine, *_agent_utterances(witness)], key=lambda utterance: utterance.start_ms)
    return webvtt(both, zero_ms, {"user": "You", "agent": agent_name})


def _agent_utterances(witness: Witness) -> list[Utterance]:
    """The agent's words as they were played, parted where it stopped or paused."""
    found: list[Utterance] = []
    for message in witness.messages:
        data, at_ms = message.rtvi.data, _ms(message.at_s)
        if message.rtvi.type == "bot-started-speaking":
            found.append(Utterance("agent", len(found), at_ms, at_ms))
        elif message.rtvi.type == "bot-stopped-speaking" and found:
            found[-1].end_ms = max(found[-1].end_ms, at_ms)
        elif message.rtvi.type == "bot-output" and data.get("spoken"):
            text = str(data.get("text", "")).strip()
            if not found or (found[-1].words and at_ms - found[-1].words[-1].at_ms > 8000):
                found.append(Utterance("agent", len(found), at_ms, at_ms))
            found[-1].words.append(Word(at_ms, text))
            found[-1].text = f"{found[-1].text} {text}".strip()
            found[-1].end_ms = max(found[-1].end_ms, at_ms + 400)
    return [utterance for utterance in found if utterance.text]


def _heard(exchange: Exchange, witness: Witness) -> str:
    """The final transcripts that came while and after we spoke."""
    return _joined(
        message.rtvi.data.get("text")
        for message in witness.said("user-transcription")
        if message.rtvi.data.get("final")
        and exchange.spoken.start_s <= message.at_s <= exchange.end_s
    )


def _replied(exchange: Exchange, witness: Witness) -> str:
    return _joined(
        message.rtvi.data.get("text")
        for message in witness.said("bot-output")
        if message.rtvi.data.get("spoken")
        and exchange.spoken.end_s <= message.at_s <= exchange.end_s
    )


def _joined(texts: Any) -> str:
    return " ".join(str(text).strip() for text in texts if text)


def _longest_gap_ms(pictures: Sequence[Received]) -> float:
    moments = [seen.at_s for seen in pictures]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return round(1000 * max(gaps, default=0.0), 1)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
