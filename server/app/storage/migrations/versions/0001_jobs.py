"""Jobs and their inputs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create jobs and job_inputs."""
    op.create_table(
        "jobs",
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
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("result", sa.Text),
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["plugin", sa.text("priority DESC"), "id"],
        sqlite_where=sa.text("status = 'PENDING' AND durable = 1"),
        postgresql_where=sa.text("status = 'PENDING' AND durable"),
    )
    op.create_index("ix_jobs_status", "jobs", ["status", "id"])
    op.create_index("ix_jobs_plugin", "jobs", ["plugin", "id"])
    op.create_index(
        "ix_jobs_parent",
        "jobs",
        ["parent_id", "id"],
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_table(
        "job_inputs",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("blob", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_job_inputs_blob", "job_inputs", ["blob"])


def downgrade() -> None:
    """Drop both."""
    op.drop_table("job_inputs")
    op.drop_table("jobs")
