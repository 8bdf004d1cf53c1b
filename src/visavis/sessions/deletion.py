"""Deleting a session: record, recording, and whatever was written because of them."""

from visavis.events import EndReason
from visavis.sessions.lifecycle import Sessions
from visavis.sessions.live import Refusal
from visavis.sessions.recordings import Recordings
from visavis.storage import audit
from visavis.storage import sessions as store
from visavis.storage.database import Database

DELETED = "session.deleted"


class Deletion:
    """Removes sessions for good. Of each only its id remains, in the audit."""

    def __init__(self, database: Database, sessions: Sessions, recordings: Recordings) -> None:
        self._database = database
        self._sessions = sessions
        self._recordings = recordings

    async def delete(self, session_id: str, actor: str, *, end: bool = False) -> bool:
        """Delete a session on behalf of ``actor``; False when there is none.

        The files go first: while a crash could have left any of them, the row is there to
        delete by again. Raises ``Refusal`` (``session_running``), unless ``end`` is set: then
        the session is ended before.
        """
        if end:
            await self._sessions.end(session_id, EndReason.API_ENDED)
        async with self._database.read() as session:
            row = await store.find(session, session_id)
        if row is None:
            return False
        if row.ended_at is None:
            raise Refusal("session_running", "End the session first, or pass force=true.")
        await self._recordings.forget(session_id)
        async with self._database.write() as session:
            await store.erase(session, session_id)
            await audit.record(session, actor, DELETED, session_id)
        await self._database.scrub()
        return True
