"""Files as people and other programs write and need them: text of any editor, atomic writes, SQLite by any path."""
