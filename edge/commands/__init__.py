"""The device's commands, one file each."""
