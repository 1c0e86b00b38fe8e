"""What durable jobs need: leases, attempts, delays, dependencies, batches, idempotency keys, webhooks."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OLD = (
    "id, plugin, status, durable, created_at, started_at, ended_at, waiting_ms, running_ms, owner, parent_id, "
    "priority, attempt, deadline, options, error, result"
)
_CODE = {
    "sqlite": "json_extract(error, '$.details.code')",
    "postgresql": "CAST(error AS JSON) #>> '{details,code}'",
}


def upgrade() -> None:
    """Extend jobs; create the tables beside it."""
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_jobs()
    else:
        _extend_jobs()
    op.execute(f"UPDATE jobs SET error_code = {_CODE[op.get_bind().dialect.name]} WHERE error IS NOT NULL")
    _create_indexes()
    _create_tables()


def _new_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("not_before", sa.BigInteger),
        sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("blocked", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("after_rule", sa.String(8), nullable=False, server_default=sa.text("'success'")),
        sa.Column("copy_of", sa.String(32)),
        sa.Column("lease_owner", sa.String(32)),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("error_code", sa.Text),
        sa.Column("result_blob", sa.String(64)),
        sa.Column("webhook", sa.Text),
        sa.Column("retry", sa.Text),
    ]


def _extend_jobs() -> None:
    for column in _new_columns():
        op.add_column("jobs", column)
    for name in ("held", "blocked", "after_rule", "cancel_requested"):
        op.alter_column("jobs", name, server_default=None)
    for name in ("ix_jobs_waiting", "ix_jobs_parent"):
        op.drop_index(name, "jobs")


def _rebuild_jobs() -> None:
    """Make the table anew, because its large columns must come last."""
    op.create_table(
        "jobs_new",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("plugin", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("durable", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("waiting_ms", sa.Float),
        sa.Column("running_ms", sa.Float),
        sa.Column("owner", sa.Text),
        sa.Column("parent_id", sa.String(32)),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("deadline", sa.BigInteger),
        *_new_columns(),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("result", sa.Text),
    )
    op.execute(f"INSERT INTO jobs_new ({_OLD}) SELECT {_OLD} FROM jobs")
    op.drop_table("jobs")
    op.rename_table("jobs_new", "jobs")
    op.create_index("ix_jobs_status", "jobs", ["status", "id"])
    op.create_index("ix_jobs_plugin", "jobs", ["plugin", "id"])


def _partial_index(table: str, name: str, columns: list[Any], where: str, on_postgres: str | None = None) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(on_postgres or where))


def _create_indexes() -> None:
    pending = ("status = 'PENDING' AND durable = 1", "status = 'PENDING' AND durable")
    _partial_index(
        "jobs",
        "ix_jobs_waiting",
        ["plugin", sa.text("priority DESC"), "id"],
        f"{pending[0]} AND held = 0",
        f"{pending[1]} AND NOT held",
    )
    _partial_index("jobs", "ix_jobs_held", ["plugin", "id"], f"{pending[0]} AND held = 1", f"{pending[1]} AND held")
    due = ("held = 1 AND blocked = 0", "held AND blocked = 0")
    _partial_index("jobs", "ix_jobs_due", ["not_before"], f"{pending[0]} AND {due[0]}", f"{pending[1]} AND {due[1]}")
    late = "deadline IS NOT NULL"
    _partial_index("jobs", "ix_jobs_deadline", ["deadline"], f"{pending[0]} AND {late}", f"{pending[1]} AND {late}")
    op.create_index("ix_jobs_plugin_status", "jobs", ["plugin", "status", "id"])
    _partial_index("jobs", "ix_jobs_durable", ["id"], "durable = 1", "durable")
    _partial_index("jobs", "ix_jobs_error", ["error_code", "id"], "error_code IS NOT NULL")
    _partial_index("jobs", "ix_jobs_plugin_error", ["plugin", "error_code", "id"], "error_code IS NOT NULL")
    _partial_index("jobs", "ix_jobs_parent", ["parent_id", "id"], "parent_id IS NOT NULL")
    _partial_index("jobs", "ix_jobs_result_blob", ["result_blob"], "result_blob IS NOT NULL")


def _of_a_job() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)


def _create_tables() -> None:
    op.create_table(
        "job_attempts",
        _of_a_job(),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("worker_pid", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("outcome", sa.String(16)),
        sa.Column("error_code", sa.Text),
    )
    op.create_table(
        "job_needs",
        _of_a_job(),
        sa.Column("needs_id", sa.String(32), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_index("ix_job_needs_needs", "job_needs", ["needs_id"])
    op.create_table(
        "batches",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("target_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_idempotency_keys_target", "idempotency_keys", ["target_id"])
    op.create_table(
        "webhook_deliveries",
        _of_a_job(),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
    )
    _partial_index("webhook_deliveries", "ix_webhook_deliveries_due", ["due_at"], "due_at IS NOT NULL")
    op.create_table(
        "servers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """There is no way back: what the new columns say has no place in the old table."""
    raise NotImplementedError("revision 0003 cannot be taken back; restore the copy made before the upgrade")
