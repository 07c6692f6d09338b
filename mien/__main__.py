"""Runs the command line as `python -m mien`."""

import sys

from mien.cli import main

sys.exit(main())
