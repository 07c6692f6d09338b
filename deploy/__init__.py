"""Brings mien onto machines."""
