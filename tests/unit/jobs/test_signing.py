"""Signatures, checked by the reference library."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from visavis.jobs.signing import OVERLAP_MS, Secrets
from visavis.storage.vault import Vault

BODY = '{"type":"webhook.test","data":{"name":"Bjørn"}}'.encode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_signature_verifies_and_a_changed_body_does_not() -> None:
    secrets = Secrets.new()
    headers = secrets.headers("id-1", now_ms(), BODY)
    assert headers["webhook-id"] == "id-1"
    Webhook(secrets.current).verify(BODY, headers)
    for wrong in (BODY + b" ", BODY.replace(b"test", b"tost")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secrets.current).verify(wrong, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets.current).verify(BODY, {**headers, "webhook-id": "id-2"})


def test_a_replaced_secret_signs_for_a_day() -> None:
    old = Secrets.new()
    both = old.rotated(now_ms())
    assert both.current != old.current
    headers = both.headers("id-1", now_ms(), BODY)
    Webhook(old.current).verify(BODY, headers)
    Webhook(both.current).verify(BODY, headers)
    later = Secrets(both.current, both.previous, now_ms() - 1).headers("id-1", now_ms(), BODY)
    Webhook(both.current).verify(BODY, later)
    with pytest.raises(WebhookVerificationError):
        Webhook(old.current).verify(BODY, later)
    assert both.previous_until_ms - now_ms() <= OVERLAP_MS


def test_secrets_are_sealed_and_come_back() -> None:
    vault = Vault(b"server secret" * 3)
    secrets = Secrets.new().rotated(5)
    sealed = secrets.seal(vault)
    assert secrets.current not in sealed
    assert Secrets.unseal(vault, sealed) == secrets


def test_the_callback_secret_belongs_to_the_server() -> None:
    first = Secrets.for_callbacks(b"a" * 32)
    assert first == Secrets.for_callbacks(b"a" * 32)
    assert first != Secrets.for_callbacks(b"b" * 32)
    Webhook(first.current).verify(BODY, first.headers("id", now_ms(), BODY))
