"""TOML configuration files: reading, checking and displaying them."""
