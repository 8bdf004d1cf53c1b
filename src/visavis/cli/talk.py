"""``visavis talk``: call an agent from the terminal, without a microphone or a browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from visavis.caller.conversation import Line
    from visavis.caller.report import CallReport, TurnReport

EXIT_FAILED = 1

_Agent = Annotated[str, typer.Option(help="The agent's id.")]
_Server = Annotated[str, typer.Option(help="Any visavis server.")]
_Say = Annotated[list[str] | None, typer.Option("--say", help="A sentence to say; repeatable.")]
_Wav = Annotated[
    list[Path] | None,
    typer.Option("--wav", help="A recording to play; repeatable, after all that is said."),
]
_Out = Annotated[Path, typer.Option(help="Where call.mp4, call.vtt and report.json go.")]
_Voice = Annotated[str | None, typer.Option(help="joe (Piper, if installed) or heart.")]
_Interrupt = Annotated[
    float | None,
    typer.Option(min=0, help="Cut into the reply to the first utterance after so many seconds."),
]


def talk(
    agent: _Agent = "demo",
    server: _Server = "http://127.0.0.1:7860",
    say: _Say = None,
    wav: _Wav = None,
    out: _Out = Path("out/talk"),
    voice: _Voice = None,
    interrupt_after: _Interrupt = None,
) -> None:
    """Hold a spoken conversation with an agent and record what was seen and heard."""
    from rich.console import Console

    from visavis.caller.conversation import Line
    from visavis.caller.speech import SpeechError, recording
    from visavis.caller.voices import speak

    console = Console()
    if not say and not wav:
        raise typer.BadParameter("Nothing to say: give --say or --wav.")
    try:
        with console.status("Preparing what to say"):
            spoken = [speak(text, voice) for text in say or []]
            played = [recording(path) for path in wav or []]
    except SpeechError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(EXIT_FAILED) from None
    lines = [
        Line(utterance, interrupt_after if number == 0 else None)
        for number, utterance in enumerate([*spoken, *played])
    ]
    report = hold_call(console, server, agent, lines, out)
    console.print(f"[dim]{out}/call.mp4, call.vtt, report.json[/dim]")
    if not report.answered or report.errors:
        raise typer.Exit(EXIT_FAILED)


def hold_call(
    console: "Console",
    server: str,
    agent: str,
    lines: "Sequence[Line]",
    out: Path,
    *,
    name: str = "call",
) -> "CallReport":
    """Make the call, show it as it goes and what it was like; exit in plain words without one."""
    import asyncio

    from visavis.caller import conversation
    from visavis.caller.peer import ConnectError
    from visavis.caller.server_api import ServerRefused, ServerUnreachable

    def on_turn(turn: "TurnReport") -> None:
        console.print(f"  [bold]you[/bold]    {turn.said}")
        if turn.transcript and turn.transcript != turn.said:
            console.print(f"         [dim]heard as: {turn.transcript}[/dim]")
        console.print(f"  [bold cyan]agent[/bold cyan]  {turn.reply or '[red]no reply[/red]'}")

    try:
        with console.status(f"On the phone with {agent}"):
            report = asyncio.run(
                conversation.talk(server, agent, lines, out, name=name, on_turn=on_turn)
            )
    except (ServerRefused, ServerUnreachable, ConnectError) as error:
        console.print(f"[red]No call: {error}[/red]")
        raise typer.Exit(EXIT_FAILED) from None
    except TimeoutError:
        console.print("[red]The agent did not get ready in time; see the server's log.[/red]")
        raise typer.Exit(EXIT_FAILED) from None
    show_table(console, report)
    return report


def show_table(console: "Console", report: "CallReport") -> None:
    """One line per turn: the figures that matter to a listener."""
    from rich.table import Table

    table = Table(
        title=f"{report.agent_name}: {len(report.turns)} turns, {report.length_s:.0f} s",
        caption="ms after your last sound until the transcript, the LLM's first token, the voice's "
        "first sound, and the reply as it was heard here; skew: how much sound came after picture",
    )
    table.add_column("you said", max_width=26, no_wrap=True)
    for heading in ("text", "LLM", "voice", "heard", "fps", "skew"):
        table.add_column(heading, justify="right", no_wrap=True)
    for turn in report.turns:
        stages = ("transcript_ms", "llm_first_token_ms", "tts_first_audio_ms")
        table.add_row(
            turn.said,
            *(_number(turn.server_ms.get(stage)) for stage in stages),
            _number(turn.voice_to_voice_ms),
            f"{turn.video_fps:.1f}",
            "–" if turn.av_skew is None else f"{turn.av_skew.median_ms:+.0f}",
        )
    console.print(table)
    for error in report.errors:
        console.print(f"[red]{error}[/red]")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
