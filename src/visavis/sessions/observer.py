"""Those who follow every session's event log: webhooks, live streams, metrics, traces."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import EventRecord


class Observer(Protocol):
    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        """Called in the transaction that stores ``records``: what is added here is as durable.

        May be called again with the same records when the transaction fails. Raise nothing.
        """
        ...

    def after(self, records: Sequence[EventRecord]) -> None:
        """Called once ``records`` are stored. Must not block, nor raise."""
        ...
