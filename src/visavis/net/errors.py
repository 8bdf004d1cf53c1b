"""What an outgoing call can fail with."""


class OutgoingError(Exception):
    """A call that was refused or failed.

    ``code``: ``url_refused`` (private, link-local, metadata, bad scheme), ``unreachable``,
    ``timeout``, ``response_too_large``, ``redirect_refused``. ``message`` names no secret and
    nothing of the inner network. ``status``: the answer's, when it failed only after that.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status: int | None = None
