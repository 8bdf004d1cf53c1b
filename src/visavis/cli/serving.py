"""What ``visavis serve`` does: brings missing models, shows the start, serves until Ctrl-C."""

import asyncio

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table

from visavis.cli import models
from visavis.logs import configure_logging
from visavis.models.catalogue import MODELS, Model
from visavis.server import run
from visavis.sessions.endpoints import needs_host
from visavis.sessions.model_host import HostHealth, ModelHostError
from visavis.sessions.placement import PlacementError
from visavis.settings import Settings

EXIT_FAILED = 1


def run_server(config: Settings) -> None:
    """Serve until told to stop. Raises ``typer.Exit`` where the server cannot start."""
    console = Console(stderr=True)
    configure_logging(config.log_level)
    missing = [model.name for model in _needed(config) if not model.present]
    if missing:
        console.print(f"First start: bringing {', '.join(missing)} to this machine.")
        models.pull(missing)
    try:
        with _Screen(console, config) as screen:
            asyncio.run(run.serve(config, screen))
    except (run.StartError, ModelHostError, PlacementError) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(EXIT_FAILED) from None


def _needed(config: Settings) -> list[Model]:
    """The default models; without the host's three when other servers do their work."""
    in_worker = ("silero-vad", "smart-turn")
    default = [model for model in MODELS.values() if model.tier == "default"]
    return [model for model in default if needs_host(config) or model.name in in_worker]


class _Screen:
    """What the terminal shows: what is loading, and then the links."""

    def __init__(self, console: Console, config: Settings) -> None:
        self._console = console
        self._config = config
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> "_Screen":
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def loading(self, health: HostHealth) -> None:
        if not self._console.is_terminal:
            return
        self._live.start()
        table = Table(box=None, show_header=False, padding=(0, 1))
        for model in health.models:
            mark = "[green]✓[/green]" if model.state == "ready" else "…"
            took = f"{model.seconds:.1f} s" if model.seconds else ""
            table.add_row(mark, model.name, model.state, took)
        self._live.update(Group(Spinner("dots", "Loading models and workers"), table))

    def ready(self) -> None:
        self._live.stop()
        config = self._config
        base = config.public_url or f"http://{config.host}:{config.port}"
        lines = [
            f"[bold]Talk[/bold]      {base}/meet/demo",
            f"[bold]API[/bold]       POST {base}/v1/start-agent-session",
            f"[bold]OpenAPI[/bold]   {base}/openapi.json",
        ]
        self._console.print(Panel("\n".join(lines), title="visavis is ready", expand=False))
