"""Alembic's entry: runs the migrations on the connection that :mod:`beurs.store.database` gives."""

from alembic import context

from beurs.store.models import Base

connection = context.config.attributes["connection"]
# SQLite, too: a migration that is interrupted has not begun.
context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
