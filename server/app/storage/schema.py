"""The tables. The migrations create them; a test holds the two equal."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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
    Column("options", Text, nullable=False),
    Column("error", Text),
    Column("result", Text),
)

# What is waiting, in the order in which it is claimed. Rows leave it when they are claimed, so it stays small.
Index(
    "ix_jobs_waiting",
    jobs.c.plugin,
    jobs.c.priority.desc(),
    jobs.c.id,
    sqlite_where=text("status = 'PENDING' AND durable = 1"),
    postgresql_where=text("status = 'PENDING' AND durable"),
)
Index("ix_jobs_status", jobs.c.status, jobs.c.id)
Index("ix_jobs_plugin", jobs.c.plugin, jobs.c.id)
Index(
    "ix_jobs_parent",
    jobs.c.parent_id,
    jobs.c.id,
    sqlite_where=text("parent_id IS NOT NULL"),
    postgresql_where=text("parent_id IS NOT NULL"),
)

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

plugin_overrides = Table(
    "plugin_overrides",
    metadata,
    Column("plugin", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
