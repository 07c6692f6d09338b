"""`python -m mien`."""

import sys

from mien.command import main

sys.exit(main())
