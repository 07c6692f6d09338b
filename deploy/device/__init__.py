"""Puts a device onto an SD card: its bundle on the boot partition, and what sets the Pi up at its first boot."""
