"""The tables. All times are Unix milliseconds; ids are text, so any database can hold them."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]


class Base(DeclarativeBase):
    type_annotation_map = {Json: JSON}  # noqa: RUF012 - SQLAlchemy's own protocol


class SessionRow(Base):
    """One conversation; ``state`` is a ``SessionState``, ``end_reason`` an ``EndReason``."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    agent_id: Mapped[str] = mapped_column(String(64))
    agent_name: Mapped[str] = mapped_column(String(200))
    configuration: Mapped[Json]
    state: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[int] = mapped_column(BigInteger)
    join_by: Mapped[int] = mapped_column(BigInteger)
    joined_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    figures: Mapped[Json | None]

    __table_args__ = (Index("ix_sessions_open", "ended_at"),)


class StateRow(Base):
    """When a session entered a state; each at most once."""

    __tablename__ = "session_states"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(32), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)


class TurnRow(Base):
    """A completed turn, as the worker summed it up."""

    __tablename__ = "turns"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    turn_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    completed_at: Mapped[int] = mapped_column(BigInteger)
    user_text: Mapped[str] = mapped_column(Text)
    agent_text: Mapped[str] = mapped_column(Text)
    interrupted: Mapped[bool]
    timings: Mapped[Json]
    frames_sent: Mapped[int]
    frames_dropped: Mapped[int]


class EventRow(Base):
    """The session's event log; ``payload`` is a ``SessionEvent``."""

    __tablename__ = "events"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(String(32))
    payload: Mapped[Json]


class SlotRow(Base):
    """Room for one session. Holding the row is what admits; ``fence`` grows with every claim."""

    __tablename__ = "slots"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    session_id: Mapped[str | None] = mapped_column(ForeignKey("sessions.id"), unique=True)
    fence: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
