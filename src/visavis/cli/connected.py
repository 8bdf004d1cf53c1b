"""A client of a running server, for commands: its errors end them in plain words."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from visavis.client import Client

Server = Annotated[
    str | None,
    typer.Option(envvar="VISAVIS_URL", help="A visavis server; default: this machine's."),
]


@contextmanager
def connected(server: str | None) -> "Generator[Client]":
    """A client; what goes wrong with it is said on standard error, and ends the program."""
    from visavis.client import ApiError, Client, ClientError

    with Client(server) as client:
        try:
            yield client
        except ApiError as error:
            allowed = error.members.get("allowed")
            choices = f" There is: {', '.join(map(str, allowed))}." if allowed else ""
            field = error.members.get("field")
            fail(f"{f'{field}: ' if field else ''}{error.detail}{choices} ({error.code})")
        except ClientError as error:
            fail(str(error))


def fail(message: str) -> NoReturn:
    """Say it in red, and end with status 1."""
    typer.secho(message, err=True, fg="red")
    raise typer.Exit(1)
