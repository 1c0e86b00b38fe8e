"""Run by Alembic. The connection comes from `app.storage.migrate`, which has begun the transaction."""

from alembic import context

from app.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can roll back CREATE and DROP; Alembic assumes that its driver cannot.
    transactional_ddl=True,
)
context.run_migrations()
