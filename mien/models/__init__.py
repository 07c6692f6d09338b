"""The models that ship with mien."""
