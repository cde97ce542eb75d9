"""The agent is a package of its own: make it importable as it is when installed."""

from __future__ import annotations

import sys
from pathlib import Path

_AGENT = str(Path(__file__).parents[3] / "agent")
if _AGENT not in sys.path:
    sys.path.insert(0, _AGENT)
