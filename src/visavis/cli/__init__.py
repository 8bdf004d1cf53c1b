"""The command line: ``visavis`` or ``python -m visavis``.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

from typing import Annotated

import typer

from visavis import __version__
from visavis.cli import agents, avatars, keys, models
from visavis.cli.demo import demo
from visavis.cli.doctor import doctor
from visavis.cli.serve import serve
from visavis.cli.talk import talk

app = typer.Typer(
    help="Give any language model a face that people can talk to.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"visavis {__version__}")
        raise typer.Exit


_Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
]


@app.callback()
def main(version: _Version = False) -> None:
    """Give any language model a face that people can talk to."""


app.command()(serve)
app.command()(talk)
app.command()(demo)
app.command()(doctor)
app.add_typer(agents.app, name="agents")
app.add_typer(avatars.app, name="avatars")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
