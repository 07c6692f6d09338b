"""One file per revision. Until the first release the first schema is edited in place; a released one never changes."""
