"""Alembic's entry: runs the steps on the connection that `mien.broker.migrating` hands over."""

from alembic import context

given = context.config.attributes
context.configure(connection=given["connection"], on_version_apply=given.get("step"))
with context.begin_transaction():
    context.run_migrations()
