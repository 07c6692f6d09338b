"""A release as devices get it: the wheel, its locked packages, and the bundle of both with the device's settings."""
