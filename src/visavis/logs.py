"""Logs: JSON lines on stderr; on a terminal, lines for people."""

import logging
import sys

import structlog

_SECRETS = {"token", "dailytoken", "authorization", "api_key", "password", "secret", "credential"}


def configure_logging(level: str) -> None:
    """Set up structlog for this process; ``level`` is a name such as "info"."""
    people = sys.stderr.isatty()
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if people
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redact,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _redact(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A last line of defence: no secret is logged under its own name."""
    for key in event:
        if key.lower() in _SECRETS:
            event[key] = "[redacted]"
    return event
