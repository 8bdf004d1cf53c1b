"""Tables as CSV (RFC 4180) that spreadsheets may open without harm."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from pydantic import BaseModel

Cell = str | int | float | bool | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A text that begins so is run as a formula by spreadsheets."""


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]], *, header: bool) -> str:
    """Lines ending in CRLF; a cell that a row lacks stays empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if header:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_safe(row.get(column)) for column in columns])
    return out.getvalue()


def flat(model: BaseModel, *, leave_out: Iterable[str] = ()) -> dict[str, Cell]:
    """A model as one row; what is nested gets names like ``latency_ms.voice_to_voice_ms.p50``."""
    row: dict[str, Cell] = {}
    _flatten("", model.model_dump(mode="json", exclude=set(leave_out)), row)
    return row


def _flatten(prefix: str, values: Mapping[str, object], row: dict[str, Cell]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            _flatten(f"{prefix}{name}.", cast("Mapping[str, object]", value), row)
        elif value is None or isinstance(value, str | int | float | bool):
            row[prefix + name] = value


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return cell
