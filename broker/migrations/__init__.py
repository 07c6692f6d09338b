"""How the tables of the emotion log came to be, step by step: Alembic runs what is missing."""
