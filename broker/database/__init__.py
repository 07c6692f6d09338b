"""The emotion log in SQLite or PostgreSQL: engines, schema, views, migrations."""
