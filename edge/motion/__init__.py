"""What wakes the agent: a PIR sensor, changes between frames, or nothing at all (always on)."""
