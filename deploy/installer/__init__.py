"""Installs, upgrades and removes the agent on a Raspberry Pi: copied into each bundle, standard library only."""
