"""A webhook receiver that is down for a minute: `python -m benchmarks.webhook_outage`.

A server with the usual schedule, in real time. Sessions go on all the while: one before, one
every three seconds while nobody listens at the receiver's port, one after. Then we wait until
nothing is pending, and count what the receiver got. Every message must have come exactly once,
signed. Takes some four minutes; the conversations are played, the rest is real.
"""

import argparse
import asyncio
import collections
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from standardwebhooks import WebhookVerificationError

from tests.integration.platform_webhooks.conversation import Stage
from tests.integration.platform_webhooks.receiver import Message, Receiver
from visavis.agents.demo import DEMO
from visavis.events import EndReason
from visavis.jobs.signing import Secrets
from visavis.logs import configure_logging
from visavis.server.opening import open_services
from visavis.server.services import Services
from visavis.settings import Settings
from visavis.storage import webhooks as store
from visavis.storage.tables import AttemptRow, DeliveryRow, WebhookRow

EVERY_S = 3.0
PATIENCE_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage", type=float, default=60, help="seconds")
    parser.add_argument("--database", help="a Postgres URL; default: SQLite")
    arguments = parser.parse_args()
    configure_logging("error")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(Path(folder), arguments.database, arguments.outage))


async def _run(folder: Path, database_url: str | None, outage_s: float) -> None:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        data_dir=folder,
        database_url=database_url,
        outgoing_allow=["127.0.0.1"],
    )
    stage, receiver, secrets = Stage(), Receiver(), Secrets.new()
    verified: collections.Counter[str] = collections.Counter()
    receiver.look = lambda message: verified.update(_verified(message, secrets))
    async with open_services(settings, stage, stage) as services:
        await _add_webhook(services, receiver.url, secrets)
        await receiver.up()
        await _converse(services)
        await receiver.until(4)
        await receiver.down()
        print(f"the receiver is down for {outage_s:g} s", flush=True)
        sessions = 2
        down_at = time.time()
        while time.time() - down_at < outage_s:
            await _converse(services)
            sessions += 1
            await asyncio.sleep(EVERY_S)
        during = len(receiver.messages)
        await receiver.up()
        up_at = time.time()
        print(f"it is back; {sessions} sessions, {during - 4} messages got through", flush=True)
        await _converse(services)
        deliveries, attempts = await _until_settled(services)
    await receiver.down()
    _report(sessions, deliveries, attempts, verified, len(receiver.messages), up_at)


async def _add_webhook(services: Services, url: str, secrets: Secrets) -> None:
    async with services.database.write() as session:
        session.add(
            WebhookRow(
                id="outage",
                url=url,
                description="",
                events=["*"],
                sealed=secrets.seal(services.vault),
                enabled=True,
                created_at=0,
                updated_at=0,
            )
        )


async def _converse(services: Services) -> None:
    reservation = await services.sessions.reserve(DEMO)
    await services.sessions.offer(reservation.session_id, "v=0", None)
    await services.sessions.flush()
    await services.sessions.end(reservation.session_id, EndReason.API_ENDED)


async def _until_settled(
    services: Services,
) -> tuple[Sequence[DeliveryRow], dict[str, list[AttemptRow]]]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with services.database.read() as session:
                rows = await store.deliveries(session, 10_000, None)
                attempts = await store.attempts(session, [row.id for row in rows])
            if all(row.status != "pending" for row in rows):
                return rows, attempts
            await asyncio.sleep(1)


def _report(
    sessions: int,
    deliveries: Sequence[DeliveryRow],
    attempts: dict[str, list[AttemptRow]],
    came: collections.Counter[str],
    messages: int,
    up_at: float,
) -> None:
    print(f"\n{'event':18}{'told':>6}{'once':>6}{'twice':>7}{'never':>7}   attempts p50 / max")
    for kind in sorted({row.event_type for row in deliveries}):
        ids = [row.id for row in deliveries if row.event_type == kind]
        tries = [len(attempts[one]) for one in ids]
        once, never = sum(came[one] == 1 for one in ids), sum(came[one] == 0 for one in ids)
        twice = len(ids) - once - never
        print(f"{kind:18}{len(ids):6}{once:6}{twice:7}{never:7}   {median(tries):g} / {max(tries)}")
    waits = [attempts[row.id][-1].at_ms / 1000 - up_at for row in deliveries]
    late = sorted(wait for wait in waits if wait > 0)
    print(
        f"\n{sessions} sessions; after the outage the last message came {late[-1]:.0f} s after the"
        f" receiver was back, half of those that waited within {median(late):.0f} s;"
        f" {messages - sum(came.values())} with a bad signature"
    )


def _verified(message: Message, secrets: Secrets) -> list[str]:
    """The message's id if its signature is good, checked when it comes."""
    try:
        message.verify(secrets.current)
    except WebhookVerificationError:
        return []
    return [message.id]


if __name__ == "__main__":
    main()
