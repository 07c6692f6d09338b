"""Alembic's entry: runs the steps on the connection that `mien.broker.migrating` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
