"""Sessions with their states, turns and events, and the slots that admit them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _session_id(*, primary_key: bool = True) -> sa.Column[str]:
    return sa.Column(
        "session_id", sa.String(64), sa.ForeignKey("sessions.id"), primary_key=primary_key
    )


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("agent_name", sa.String(200), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("join_by", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("end_reason", sa.String(32)),
        sa.Column("figures", sa.JSON()),
    )
    op.create_index("ix_sessions_open", "sessions", ["ended_at"])
    op.create_table(
        "session_states",
        _session_id(),
        sa.Column("state", sa.String(32), primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "turns",
        _session_id(),
        sa.Column("turn_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=False),
        sa.Column("user_text", sa.Text(), nullable=False),
        sa.Column("agent_text", sa.Text(), nullable=False),
        sa.Column("interrupted", sa.Boolean(), nullable=False),
        sa.Column("timings", sa.JSON(), nullable=False),
        sa.Column("frames_sent", sa.Integer(), nullable=False),
        sa.Column("frames_dropped", sa.Integer(), nullable=False),
    )
    op.create_table(
        "events",
        _session_id(),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
    )
    op.create_table(
        "slots",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        _session_id(primary_key=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.UniqueConstraint("session_id"),
    )


def downgrade() -> None:
    for table in ("slots", "events", "turns", "session_states", "sessions"):
        op.drop_table(table)
