"""``visavis models``: the embedded models on this machine."""

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from visavis.models.catalogue import MODELS, Model, find_model
from visavis.models.download import PullError, verify
from visavis.models.download import pull as pull_model

app = typer.Typer(help="Pull, list and verify the embedded models.", no_args_is_help=True)

_Names = Annotated[list[str] | None, typer.Argument(help="Model names; none: the default ones.")]


@app.command()
def pull(names: _Names = None) -> None:
    """Bring models to this machine; goes on where an earlier pull stopped."""
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console) as bars:
            for model, bar in [
                (model, bars.add_task(model.name, total=model.size)) for model in _chosen(names)
            ]:
                _pull_with_bar(model, bars, bar)
    except PullError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error


def _pull_with_bar(model: Model, bars: Progress, bar: TaskID) -> None:
    pull_model(model, lambda received: bars.update(bar, completed=received))


@app.command(name="list")
def list_models() -> None:
    """What there is, and what is on this machine."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("name", "size", "licence", "tier", "here"):
        table.add_column(column, no_wrap=True)
    for column in ("purpose", "origin"):
        table.add_column(column, overflow="fold")
    for model in MODELS.values():
        here = "[green]yes[/green]" if model.present else "no"
        size = f"{model.size / 1e6:.0f} MB"
        table.add_row(
            model.name, size, model.licence, model.tier, here, model.purpose, model.origin
        )
    Console().print(table)


@app.command(name="verify")
def verify_models(names: _Names = None) -> None:
    """Hash the files again and compare; fails when one is missing or damaged."""
    console = Console()
    failed = False
    for model in _chosen(names):
        problems = verify(model)
        failed = failed or bool(problems)
        console.print(f"{model.name}: " + ("[red]" + " ".join(problems) if problems else "ok"))
    if failed:
        raise typer.Exit(1)


def _chosen(names: list[str] | None) -> list[Model]:
    if not names:
        return [model for model in MODELS.values() if model.tier == "default"]
    try:
        return [find_model(name) for name in names]
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from error
