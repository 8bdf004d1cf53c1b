"""Which backends for faces there are on this machine, by provider name, and whether they work."""

import asyncio
import threading
import time
from functools import cache

import structlog

from visavis.avatar.backends.base import Availability, Backend, BackendError, Caps, Stream
from visavis.avatar.backends.bithuman import BithumanBackend
from visavis.avatar.backends.live_avatar import StreamBackend
from visavis.avatar.backends.process import FaceProcess
from visavis.avatar.backends.worker import WorkerBackend
from visavis.settings import Settings, settings

BITHUMAN = "bithuman"
_FRESH_S = 60.0

log = structlog.stdlib.get_logger("visavis.avatar")


def names(config: Settings) -> list[str]:
    """All providers that are set up here, but the puppet."""
    wanted = config.bithuman_models or config.bithuman_api_secret.get_secret_value()
    return [*config.faces, *([BITHUMAN] if wanted and BITHUMAN not in config.faces else [])]


@cache
def backend(name: str) -> Backend:
    """The backend that all sessions of this process share."""
    return make(name, settings())


def make(name: str, config: Settings) -> Backend:
    """A new backend. One that is not set up here says so when it is probed."""
    face = config.faces.get(name)
    if face is not None and face.url:
        return StreamBackend(name, face.url, face.api_key.get_secret_value())
    if face is not None and (face.command or face.socket):
        return WorkerBackend(name, FaceProcess(name, face.command, face.socket))
    if name == BITHUMAN:
        secret = config.bithuman_api_secret.get_secret_value()
        return BithumanBackend(secret, config.bithuman_models)
    return Absent(name)


class Absent:
    """Stands for a backend that this machine knows nothing of."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.caps = Caps()

    async def probe(self) -> Availability:
        reason = f"VISAVIS_FACES does not say where {self.name!r} is."
        return Availability(False, reason, (f"setting VISAVIS_FACES.{self.name}",))

    async def prepare(self, character_id: str) -> None:
        raise BackendError("not_available", "There is no such backend here.")

    async def open(self, character_id: str, size: tuple[int, int]) -> Stream:
        raise BackendError("not_available", "There is no such backend here.")


class Probes:
    """What the backends' probes said, at most a minute old. Asking never waits."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._known: dict[str, Availability] = {}
        self._asked_at: float | None = None
        self._thread: threading.Thread | None = None

    def known(self) -> dict[str, Availability]:
        """By name; a backend that was never probed is not available yet."""
        with self._lock:
            stale = self._asked_at is None or time.monotonic() - self._asked_at > _FRESH_S
            if stale and (self._thread is None or not self._thread.is_alive()):
                self._asked_at = time.monotonic()
                self._thread = threading.Thread(target=self._probe, name="probe", daemon=True)
                self._thread.start()
            unknown = Availability(False, "It is being looked at; ask again in a moment.")
            return {name: self._known.get(name, unknown) for name in names(self._config)}

    def wait(self, timeout_s: float) -> None:
        """Until the probes that are under way have answered."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _probe(self) -> None:
        for name in names(self._config):
            answer = asyncio.run(make(name, self._config).probe())
            if not answer.ok:
                log.debug("face_not_available", face=name, reason=answer.reason)
            with self._lock:
                self._known[name] = answer


_probes: dict[int, Probes] = {}
"""One per settings object, which it keeps; a process has one."""


def probes(config: Settings) -> Probes:
    """The probes of ``config``'s backends."""
    return _probes.setdefault(id(config), Probes(config))
