"""``visavis doctor``: is everything here, and if not, what to do about it."""

from typing import Annotated

import typer

_Deep = Annotated[bool, typer.Option("--deep", help="Hash every model file again.")]
_MARKS = {"ok": "[green]✓[/green]", "warn": "[yellow]![/yellow]", "fail": "[red]✗[/red]"}


def doctor(deep: _Deep = False) -> None:
    """Check models, ports, UDP, codecs; exit 1 when something that is needed fails."""
    from rich.console import Console
    from rich.table import Table

    from visavis.cli import checks

    console = Console()
    table = Table(box=None, show_header=False, padding=(0, 1))
    failed = False
    with console.status("Looking around"):
        for name, check in checks.all_checks(deep):
            finding = checks.run(check)
            failed = failed or finding.verdict == "fail"
            advice = f"\n[dim]{finding.advice}[/dim]" if finding.advice else ""
            table.add_row(_MARKS[finding.verdict], f"[bold]{name}[/bold]", finding.saw + advice)
    console.print(table)
    if failed:
        raise typer.Exit(1)
