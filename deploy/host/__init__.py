"""A server as it is installed on a Debian machine: its user, releases, folder and units."""
