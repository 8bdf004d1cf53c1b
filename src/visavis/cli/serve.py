"""``visavis serve``: the server, its workers and its models, until Ctrl-C."""

from typing import Annotated

import typer

_Host = Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")]
_Port = Annotated[int | None, typer.Option(help="Port to listen on [7860].")]
_Workers = Annotated[int | None, typer.Option(min=1, help="Processes that host sessions [2].")]


def serve(host: _Host = None, port: _Port = None, workers: _Workers = None) -> None:
    """Run the server. Everything else is set by VISAVIS_… variables."""
    from visavis.cli.serving import run_server
    from visavis.settings import settings

    given = {"host": host, "port": port, "workers": workers}
    run_server(settings().model_copy(update={k: v for k, v in given.items() if v is not None}))
