"""The commands that belong to no single program, a file each."""
