"""Alembic's script folder: how the tables of the emotion log are created and migrated."""
