"""`python -m odu_cli`: the same as the console script `odu`."""

from __future__ import annotations

import sys

from odu_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
