"""The deployment commands, one file each."""
