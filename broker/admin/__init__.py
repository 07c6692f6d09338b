"""Maintenance of the emotion log: integrity checks, vacuum, import, rejected messages, erasure, export of a device."""
