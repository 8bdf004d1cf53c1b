"""Signatures as Standard Webhooks has them; a replaced secret signs on for a day."""

import base64
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from standardwebhooks import Webhook

from visavis.storage.vault import Vault

OVERLAP_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Secrets:
    """A webhook's secret, and the one it replaced with the time it is good until (Unix ms)."""

    current: str
    previous: str | None = None
    previous_until_ms: int = 0

    @classmethod
    def new(cls) -> "Secrets":
        return cls(_written(secrets.token_bytes(32)))

    @classmethod
    def for_callbacks(cls, server_secret: bytes) -> "Secrets":
        """One per server, made from its secret: signs what agents' own callback URLs get."""
        derived = HKDF(SHA256(), 32, salt=None, info=b"visavis-callback-1").derive(server_secret)
        return cls(_written(derived))

    @classmethod
    def unseal(cls, vault: Vault, sealed: str) -> "Secrets":
        """Raises ``VaultError``."""
        return cls(**vault.open(sealed))

    def seal(self, vault: Vault) -> str:
        return vault.seal(asdict(self))

    def rotated(self, now_ms: int) -> "Secrets":
        return Secrets(Secrets.new().current, self.current, now_ms + OVERLAP_MS)

    def headers(self, message_id: str, now_ms: int, body: bytes) -> dict[str, str]:
        """``webhook-id``, ``-timestamp`` and ``-signature`` by every secret that is good now."""
        good = [self.current]
        if self.previous is not None and now_ms < self.previous_until_ms:
            good.append(self.previous)
        moment = datetime.fromtimestamp(now_ms // 1000, UTC)
        text = body.decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now_ms // 1000),
            "webhook-signature": " ".join(Webhook(s).sign(message_id, moment, text) for s in good),
        }


def _written(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()
