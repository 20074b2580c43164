"""`python -m valuedrift` is the `valuedrift` command."""

import sys

from valuedrift.cli import main

sys.exit(main())
