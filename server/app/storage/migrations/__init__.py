"""Alembic's scripts. `app.storage.migrate` runs them."""
