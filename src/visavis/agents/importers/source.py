"""Reading another vendor's JSON without losing track: what nobody takes is reported as lost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

NO_COUNTERPART = "there is nothing like it here"


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that could not be carried over, and why."""

    field: str
    reason: str


class Source:
    """One JSON object of a foreign agent; ``lost`` collects what is left behind."""

    def __init__(self, data: Mapping[str, Any], path: str = "", lost: list[Lost] | None = None):
        self._data = dict(data)
        self._path = path
        self._sections: list[Source] = []
        self.lost: list[Lost] = [] if lost is None else lost

    def section(self, name: str) -> "Source":
        """The object of this name, perhaps empty."""
        value = self._data.get(name)
        if not isinstance(value, dict):
            value = {}
        else:
            del self._data[name]
        section = Source(cast("dict[str, Any]", value), f"{self._path}{name}.", self.lost)
        self._sections.append(section)
        return section

    def text(self, name: str, *, limit: int = 100_000, pattern: str | None = None) -> str:
        """A text, or "" where there is none that can be used."""
        value = self._data.pop(name, None)
        if not isinstance(value, str):
            self.lose(name, "this is no text", value)
            return ""
        value = value.replace("\x00", "")
        if pattern is not None and value and re.fullmatch(pattern, value) is None:
            self.lose(name, "it is written in a way that is not understood here", value)
            return ""
        if len(value) > limit:
            self.lose(name, f"only the first {limit} characters fit", value)
        return value[:limit]

    def flag(self, name: str) -> bool | None:
        value = self._data.pop(name, None)
        if value is None or isinstance(value, bool):
            return value
        self.lose(name, "this is neither true nor false", value)
        return None

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number between ``low`` and ``high``; one outside is brought to the nearest."""
        value = self._data.pop(name, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            self.lose(name, "this is no number", value)
            return None
        nearest = min(max(value, low), high)
        if nearest != value:
            self.lose(name, f"it became {nearest:g}, the nearest that is possible here", value)
        return nearest

    def texts(self, name: str) -> list[str]:
        """A list of texts; one text counts as a list."""
        value = self._data.pop(name, None)
        items = cast("list[Any]", value) if isinstance(value, list) else [value]
        return [item.replace("\x00", "") for item in items if isinstance(item, str) and item]

    def object(self, name: str, *, limit: int) -> dict[str, Any]:
        """An object as it is, or its first ``limit`` members."""
        value = self._data.pop(name, None)
        if not isinstance(value, dict):
            self.lose(name, "this is no object", value)
            return {}
        members = list(cast("dict[str, Any]", value).items())
        if len(members) > limit:
            self.lose(name, f"only the first {limit} members fit", value)
        return dict(members[:limit])

    def lose(self, name: str, reason: str, value: Any = ...) -> None:
        """Report ``name`` with this reason, if it says anything."""
        value = self._data.pop(name, None) if value is ... else value
        if _says_something(value):
            self.lost.append(Lost(f"{self._path}{name}", reason))

    def peek(self, name: str) -> Any:
        """A value, left where it is."""
        return self._data.get(name)

    def skip(self, *names: str) -> None:
        """Ids and times that mean nothing elsewhere."""
        for name in names:
            self._data.pop(name, None)

    def report_rest(self) -> None:
        """Everything that was not asked for is lost."""
        for section in self._sections:
            section.report_rest()
        for name in list(self._data):
            self.lose(name, NO_COUNTERPART)


def _says_something(value: Any) -> bool:
    return not (value is None or value is False or value in ("", [], {}))
