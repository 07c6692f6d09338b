"""A backup of the server in one encrypted file, and its restoration on another machine."""
