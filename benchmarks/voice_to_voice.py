"""Voice to voice, stage by stage, over real WebRTC: ``python -m benchmarks.voice_to_voice``.

A headless caller asks short questions in a synthetic voice; the server's own breakdown and the
caller's measurement (last sample sent to first audible sample received) are summed up. Stages
are ms after the user's last voiced sample. Caller, server and models share this machine.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from visavis.caller.conversation import Line, talk
from visavis.caller.report import CallReport, TurnReport
from visavis.caller.voices import speak
from visavis.cli.own_server import own_server

QUESTIONS = (
    "What is visavis?",
    "Can you hear me well?",
    "Does it need a graphics card?",
    "What is the capital of France?",
    "Who wrote Romeo and Juliet?",
    "How many days are in a week?",
    "What colour is the sky?",
    "Can I interrupt you?",
    "Do you like music?",
    "Where does the sun rise?",
    "Is visavis free?",
    "What do bees make?",
)
STAGES = {
    "pause_detected_ms": "pause detected",
    "transcript_ms": "transcript",
    "turn_decided_ms": "turn decided",
    "llm_first_token_ms": "LLM, first token",
    "first_clause_ms": "LLM, first clause",
    "tts_first_audio_ms": "voice, first audio",
    "voice_to_voice_ms": "reply leaves the room",
    "caller": "reply heard by the caller",
}
TARGET_MS = 1200.0


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=12)
    options.add_argument("--server", help="a running server, instead of one of our own")
    options.add_argument("--agent", default="demo")
    options.add_argument("--out", type=Path, default=Path("out/voice_to_voice"))
    given = options.parse_args()
    console = Console()
    with console.status("Preparing the questions"):
        lines = [Line(speak(QUESTIONS[n % len(QUESTIONS)])) for n in range(given.turns)]
    with server(console, given.server) as url, console.status("Talking"):
        report = asyncio.run(talk(url, given.agent, lines, given.out))
    console.print(summary(report.turns))
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {report.length_s:.0f} s")
    figures = {name: percentiles(values(report.turns, name)) for name in STAGES}
    (given.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(0 if verdict(console, report) else 1)


@contextmanager
def server(console: Console, url: str | None) -> Iterator[str]:
    """The given server, or one of our own until left."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory() as data:
        folder = Path(data)
        with own_server(console, folder / "server.log", data_dir=folder) as own:
            yield own


def values(turns: Sequence[TurnReport], stage: str) -> list[float]:
    found = [
        turn.voice_to_voice_ms if stage == "caller" else turn.server_ms.get(stage) for turn in turns
    ]
    return sorted(value for value in found if value is not None)


def percentiles(known: Sequence[float]) -> tuple[float, float] | None:
    """Median and p90; None without a value."""
    if not known:
        return None
    return round(median(known), 1), round(known[min(len(known) - 1, int(0.9 * len(known)))], 1)


def summary(turns: Sequence[TurnReport]) -> Table:
    table = Table(title=f"Voice to voice, {len(turns)} turns, ms")
    for heading in ("stage", "median", "p90", "turns"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, title in STAGES.items():
        known = values(turns, stage)
        middle, late = percentiles(known) or ("–", "–")
        table.add_row(title, str(middle), str(late), str(len(known)))
    return table


def verdict(console: Console, report: CallReport) -> bool:
    """Whether every turn was answered; the target is shown, not enforced: it is this machine's."""
    middle = percentiles(values(report.turns, "caller"))
    if middle is not None:
        word = "[green]met[/green]" if middle[0] <= TARGET_MS else "[yellow]missed[/yellow]"
        console.print(f"Target, median at the caller ≤ {TARGET_MS:.0f} ms: {word}")
    for error in report.errors:
        console.print(f"[red]{error}[/red]")
    return report.answered and not report.errors


if __name__ == "__main__":
    main()
