"""Alembic's entry point: runs the migrations on the connection that `mien.broker.database.migrate` passes in."""

from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes["connection"], on_version_apply=attributes.get("on_version_apply"))
with context.begin_transaction():
    context.run_migrations()
