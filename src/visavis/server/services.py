"""What the routes work with, handed to the app once at start."""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from visavis.jobs.outbox import Outbox
from visavis.jobs.signing import Secrets
from visavis.net.client import GuardedClient
from visavis.server.gate.audit_log import AuditLog
from visavis.server.gate.key_ring import KeyRing
from visavis.server.gate.rates import Rates
from visavis.server.telemetry.metrics import Metrics
from visavis.sessions.avatars import Avatars
from visavis.sessions.backdrops import Backdrops
from visavis.sessions.bells import Bells
from visavis.sessions.deletion import Deletion
from visavis.sessions.lifecycle import Sessions
from visavis.sessions.recordings import Recordings
from visavis.sessions.tokens import RoomTokens
from visavis.settings import Settings
from visavis.storage.blobs import Blobs
from visavis.storage.database import Database
from visavis.storage.vault import Vault


class Readiness(Protocol):
    """Anything that can say whether it is ready to serve."""

    @property
    def ready(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    sessions: Sessions
    database: Database
    tokens: RoomTokens
    vault: Vault
    http: GuardedClient
    callback_secret: Secrets
    """Signs what agents' own callback URLs get."""
    outbox: Outbox
    blobs: Blobs
    recordings: Recordings
    avatars: Avatars
    backdrops: Backdrops
    deletion: Deletion
    keys: KeyRing
    rates: Rates
    audit: AuditLog
    metrics: Metrics
    bells: Bells
    parts: dict[str, Readiness]
    """What must be ready before sessions are taken, by name."""

    @property
    def ready(self) -> bool:
        return not self.starting

    @property
    def starting(self) -> str:
        """What is not ready yet, in words; empty once all is."""
        waiting = [name for name, part in self.parts.items() if not part.ready]
        return f"Not ready yet: {' and '.join(waiting)}." if waiting else ""


def _services(request: Request) -> Services:
    return request.app.state.services


Provided = Annotated[Services, Depends(_services)]


def public_url(request: Request, settings: Settings) -> str:
    """How the caller reaches us, without a slash at the end."""
    return (settings.public_url or str(request.base_url)).rstrip("/")
