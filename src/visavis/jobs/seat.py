"""Which of several servers on one Postgres this is: each holds a seat, and is known by its name.

DBOS takes up what an executor left unfinished when one of the same name starts, so two servers
of one name would repeat each other's attempts. A seat is a lock of a connection: Postgres frees
it the moment its server is gone, and others may then take up what was left.
"""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

NAMES = ("local", *(f"server-{number}" for number in range(1, 64)))
"""Of the seats; the first one's is DBOS's own."""
CONNECT_S = 5
_LOCKS = 0x76697361

_TAKE = text("SELECT pg_try_advisory_lock(:locks, :seat)")


class Seat:
    """Taken by ``take``. Everything here blocks, and may raise ``SQLAlchemyError``."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": CONNECT_S},
        )
        self._connection: Connection | None = None
        self.name = ""

    def take(self) -> str | None:
        """The name of the first free seat, from now on ours; None when all are taken."""
        self._connection = connection = self._engine.connect()
        for name in NAMES:
            if _take(connection, name):
                self.name = name
                return name
        self.leave()
        return None

    def keep(self) -> bool:
        """Whether the seat is still ours; taken again if only the connection was lost."""
        try:
            if self._connection is not None:
                self._connection.execute(text("SELECT 1"))
                return True
        except SQLAlchemyError:
            self.leave()
        self._connection = self._engine.connect()
        if _take(self._connection, self.name):
            return True
        self.leave()
        return False

    @contextmanager
    def instead_of(self, name: str) -> Generator[bool]:
        """Whether nobody sits on the seat ``name``; meanwhile nobody can."""
        with self._engine.connect() as connection:
            yield name in NAMES and _take(connection, name)

    def leave(self) -> None:
        """Let another server have it."""
        if self._connection is not None:
            self._connection.invalidate()  # closed for good, whatever state it is in
            self._connection.close()
            self._connection = None


def _take(connection: Connection, name: str) -> bool:
    taken = connection.scalar(_TAKE, {"locks": _LOCKS, "seat": NAMES.index(name)})
    return bool(taken)
