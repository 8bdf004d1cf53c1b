"""Placement: which worker gets a session. Nothing above this seam knows how workers run."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from visavis.conversation.commands import Command
from visavis.conversation.spec import SessionSpec
from visavis.events import EndReason, EventRecord
from visavis.sessions.control import Candidate, Finished

Report = EventRecord | Finished


class PlacementError(Exception):
    """A worker could not do it. ``code``: ``bad_offer``, ``no_worker``, ``worker_lost``, …"""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Placement(Protocol):
    """Backends: ``local`` (processes on this machine)."""

    @property
    def ready(self) -> bool:
        """Whether at least one worker takes sessions."""
        ...

    async def open(self, spec: SessionSpec, sdp: str, first_seq: int) -> str:
        """Open a room on some worker and answer the offer. Raises ``PlacementError``."""
        ...

    async def renegotiate(self, session_id: str, sdp: str) -> str:
        """Answer a later offer of the same user. Raises ``PlacementError``."""
        ...

    async def add_candidates(self, session_id: str, candidates: Sequence[Candidate]) -> None:
        """Hand over trickled candidates. Raises ``PlacementError``."""
        ...

    async def tell(self, session_id: str, command: Command) -> None:
        """Hand a command to the conversation. Raises ``PlacementError`` (``too_many_commands``)."""
        ...

    async def end(self, session_id: str, reason: EndReason) -> None:
        """Ask for a session's end; its ``Finished`` report follows, whatever happens."""
        ...

    def reports(self) -> AsyncIterator[Report]:
        """Everything the workers tell, in order per session; one consumer.

        Every opened session ends with exactly one ``Finished``, also when its worker dies.
        """
        ...
