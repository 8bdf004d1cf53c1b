"""The tables. All times are Unix milliseconds; ids are text, so any database can hold them."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]
JsonList = list[Any]


class Base(DeclarativeBase):
    type_annotation_map = {Json: JSON, JsonList: JSON}  # noqa: RUF012 - SQLAlchemy's own protocol


class AgentRow(Base):
    """An agent. A single-use one has ``expires_at`` and, once started, ``activated_at``."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200))
    publish_status: Mapped[str] = mapped_column(String(16))
    configuration: Mapped[Json]
    meta: Mapped[Json]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    activated_at: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_agents_created", "created_at", "id"),)


class AgentVersionRow(Base):
    """An agent as it was; the newest one equals the agent."""

    __tablename__ = "agent_versions"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    publish_status: Mapped[str] = mapped_column(String(16))
    configuration: Mapped[Json]
    meta: Mapped[Json]


class ToolRow(Base):
    """A ``ToolDefinition``; ``sealed`` holds its headers and auth_config, encrypted."""

    __tablename__ = "tools"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    definition: Mapped[Json]
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_tools_created", "created_at", "id"),)


class AvatarRow(Base):
    """A face made here, from a photo or an uploaded rig; its files are blobs under its id.

    ``consent``: subject, statement, attested_by, attested_at. ``warnings``: what the photo could
    have done better, as code and message.
    """

    __tablename__ = "avatars"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    origin: Mapped[str] = mapped_column(String(16))
    consent: Mapped[Json]
    warnings: Mapped[JsonList]
    size_bytes: Mapped[int]
    created_at: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_avatars_created", "created_at", "id"),)


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
    agent_version: Mapped[int] = mapped_column(default=1)
    meta: Mapped[Json] = mapped_column(default=dict)
    callback_url: Mapped[str | None] = mapped_column(Text)
    """Overrides the agent's own for this session."""
    recording: Mapped[Json | None]
    """Of the stored file: key, size_bytes, duration_ms."""
    delete_after: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_sessions_open", "ended_at"),
        Index("ix_sessions_created", "created_at", "id"),
        Index("ix_sessions_agent", "agent_id", "created_at"),
        Index("ix_sessions_delete_after", "delete_after"),
    )


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


class ToolCallRow(Base):
    """One call of a tool; ``ok`` is None while it runs."""

    __tablename__ = "tool_calls"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    turn_id: Mapped[int]
    tool_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(128))
    arguments: Mapped[str] = mapped_column(Text)
    is_async: Mapped[bool]
    started_at: Mapped[int] = mapped_column(BigInteger)
    took_ms: Mapped[float | None]
    ok: Mapped[bool | None]
    result: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(64))


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


class ApiKeyRow(Base):
    """An API key: its SHA-256 and its first characters, never the key."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[JsonList]
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class IdempotencyRow(Base):
    """The answer to a POST with an Idempotency-Key; ``status`` is None while it is at work."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    headers: Mapped[Json | None]
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)


class AuditRow(Base):
    """Who did, or tried, what. Holds ids only, never what was said."""

    __tablename__ = "audit"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(128))
    detail: Mapped[Json]

    __table_args__ = (Index("ix_audit_at", "at_ms"),)


class WebhookRow(Base):
    """Where the account's events go; ``sealed`` is the signing secret, encrypted."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(String(200))
    events: Mapped[JsonList]
    sealed: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool]
    disabled_reason: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class DeliveryRow(Base):
    """One message on its way to one receiver: the outbox, written with what it tells about.

    ``id`` is the ``webhook-id``, the same at every attempt. ``webhook_id`` is None for an
    agent's own callback_url. ``status``: pending, delivered, failed, cancelled.
    """

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    webhook_id: Mapped[str | None] = mapped_column(String(64))
    session_id: Mapped[str | None] = mapped_column(String(64))
    url: Mapped[str] = mapped_column(Text)
    event_type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[Json]
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[int] = mapped_column(BigInteger)
    next_attempt_at: Mapped[int | None] = mapped_column(BigInteger)
    replay_of: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        Index("ix_deliveries_webhook", "webhook_id", "created_at"),
        Index("ix_deliveries_status", "status"),
        Index("ix_deliveries_session", "session_id"),
    )


class AttemptRow(Base):
    """One try at a delivery."""

    __tablename__ = "delivery_attempts"

    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    took_ms: Mapped[float]
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(300))
