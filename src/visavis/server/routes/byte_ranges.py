"""The ``Range`` header (RFC 9110): the one stretch of bytes that players ask for."""

import re

_ONE_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


class Unsatisfiable(Exception):
    """The range lies outside of the file."""


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte, both included, of a file of ``size`` bytes; None means all of it.

    What is no range, or several, is ignored, as the RFC allows. Raises ``Unsatisfiable``.
    """
    found = _ONE_RANGE.fullmatch((header or "").strip())
    if found is None or found.group() == "bytes=-":
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    if not first:  # the last so many bytes
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    if start > end:
        raise Unsatisfiable
    return start, end
