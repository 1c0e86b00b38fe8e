"""The tables. The migrations create them; a test holds the two equal."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

# Times are whole microseconds since 1970-01-01 UTC: exact, cheap to bind, the same on every database.
# The large columns come last, so that SQLite need not walk over them to read the small ones.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("plugin", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("durable", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("waiting_ms", Float),
    Column("running_ms", Float),
    Column("owner", Text),
    Column("parent_id", String(32)),
    Column("priority", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("deadline", BigInteger),
    Column("not_before", BigInteger),
    Column("held", Boolean, nullable=False),
    Column("blocked", Integer, nullable=False),
    Column("after_rule", String(8), nullable=False),
    Column("copy_of", String(32)),
    Column("lease_owner", String(32)),
    Column("lease_until", BigInteger),
    Column("cancel_requested", Boolean, nullable=False),
    Column("error_code", Text),
    Column("result_blob", String(64)),
    Column("webhook", Text),
    Column("retry", Text),
    Column("options", Text, nullable=False),
    Column("error", Text),
    Column("result", Text),
)


def _partial_index(name: str, *columns: ColumnElement[object], where: str, on_postgres: str | None = None) -> None:
    """An index of few rows; its condition is written for SQLite, whose booleans are numbers, and for PostgreSQL."""
    Index(name, *columns, sqlite_where=text(where), postgresql_where=text(on_postgres or where))


# What can be claimed, in the order in which it is. Rows leave it when they are claimed, so it stays small.
_partial_index(
    "ix_jobs_waiting",
    jobs.c.plugin,
    jobs.c.priority.desc(),
    jobs.c.id,
    where="status = 'PENDING' AND durable = 1 AND held = 0",
    on_postgres="status = 'PENDING' AND durable AND NOT held",
)
# What waits and cannot be claimed yet: `held` is true of a job that waits for others, or for its time to come.
_partial_index(
    "ix_jobs_held",
    jobs.c.plugin,
    jobs.c.id,
    where="status = 'PENDING' AND durable = 1 AND held = 1",
    on_postgres="status = 'PENDING' AND durable AND held",
)
_partial_index(
    "ix_jobs_due",
    jobs.c.not_before,
    where="status = 'PENDING' AND durable = 1 AND held = 1 AND blocked = 0",
    on_postgres="status = 'PENDING' AND durable AND held AND blocked = 0",
)
_partial_index(
    "ix_jobs_deadline",
    jobs.c.deadline,
    where="status = 'PENDING' AND durable = 1 AND deadline IS NOT NULL",
    on_postgres="status = 'PENDING' AND durable AND deadline IS NOT NULL",
)
# Listings. Each has the id last, so that a page is read in its order.
Index("ix_jobs_status", jobs.c.status, jobs.c.id)
Index("ix_jobs_plugin", jobs.c.plugin, jobs.c.id)
Index("ix_jobs_plugin_status", jobs.c.plugin, jobs.c.status, jobs.c.id)
_partial_index("ix_jobs_durable", jobs.c.id, where="durable = 1", on_postgres="durable")
_partial_index("ix_jobs_error", jobs.c.error_code, jobs.c.id, where="error_code IS NOT NULL")
_partial_index("ix_jobs_plugin_error", jobs.c.plugin, jobs.c.error_code, jobs.c.id, where="error_code IS NOT NULL")
_partial_index("ix_jobs_parent", jobs.c.parent_id, jobs.c.id, where="parent_id IS NOT NULL")
_partial_index("ix_jobs_result_blob", jobs.c.result_blob, where="result_blob IS NOT NULL")

job_inputs = Table(
    "job_inputs",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("blob", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
)
# Whether a blob is still needed is asked by blob.
Index("ix_job_inputs_blob", job_inputs.c.blob)

job_attempts = Table(
    "job_attempts",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("server", String(32), nullable=False),
    Column("worker_pid", BigInteger),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", String(16)),
    Column("error_code", Text),
)

# Which job needs which. `needs_id` refers to no row: what has ended may be deleted before what needed it.
job_needs = Table(
    "job_needs",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("needs_id", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
)
Index("ix_job_needs_needs", job_needs.c.needs_id)

batches = Table(
    "batches",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("total", Integer, nullable=False),
)

# `target_id` is the job or batch that the key's request made.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("target_id", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index("ix_idempotency_keys_target", idempotency_keys.c.target_id)

# `due_at` counts by the clock of leases; NULL: it was delivered, or given up for `reason`.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("due_at", BigInteger),
    Column("reason", Text),
)
_partial_index("ix_webhook_deliveries_due", webhook_deliveries.c.due_at, where="due_at IS NOT NULL")

# Who works on a shared database. `seen_at` counts by the clock of leases.
servers = Table(
    "servers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)

plugin_overrides = Table(
    "plugin_overrides",
    metadata,
    Column("plugin", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
