"""What Alembic runs: every revision in one transaction each, on the connection that `migrations.upgrade` opened."""

from alembic import context
from sqlalchemy import Connection

from domain.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite changes a table by copying it, and does undo DDL when the transaction is ours (BEGIN IMMEDIATE).
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
