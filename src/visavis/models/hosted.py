"""A model on its way into memory, and then in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from visavis.models.api_errors import ApiError

State = Literal["loading", "ready", "failed"]


class Engine(Protocol):
    def warm_up(self) -> None:
        """Make the slow first calls, so that no user has to."""
        ...


E = TypeVar("E", bound=Engine)


@dataclass(slots=True)
class Hosted(Generic[E]):
    name: str
    load: Callable[[], E]
    state: State = "loading"
    seconds: float = 0.0
    message: str = ""
    engine: E | None = None

    def bring_up(self) -> None:
        """Load and warm up; blocks, so run it in a thread. Never raises: see ``state``."""
        begun = time.monotonic()
        try:
            engine = self.load()
            engine.warm_up()
            self.engine, self.state = engine, "ready"
        except Exception as error:  # noqa: BLE001  whatever a native runtime says is reported
            self.state, self.message = "failed", str(error) or type(error).__name__
        self.seconds = round(time.monotonic() - begun, 2)

    def ready(self) -> E:
        """The engine, or the ``ApiError`` that says why there is none."""
        if self.state == "failed":
            raise ApiError(500, "model_failed", f"{self.name}: {self.message}")
        if self.engine is None:
            raise ApiError(503, "model_loading", f"{self.name} is being loaded.")
        return self.engine

    def check_name(self, model: str) -> None:
        """A request names the hosted model, or "default"."""
        if model not in ("default", self.name):
            raise ApiError(
                404, "model_not_found", f"No model {model!r} here; there is {self.name}."
            )
