"""Benchmarks: what the service does on this machine, against what the machine allows.

Every figure stands beside a ceiling measured in the same run, in turns with it, so that the ratio
of the two means something on a slow or busy machine too. Nothing here passes or fails.
"""

from __future__ import annotations

BENCHMARKS = (
    "cold_import",
    "cold_start",
    "import_throughput",
    "import_load",
    "twin_events",
    "report_lag",
    "reads",
    "rollouts",
    "goosebit",
    "cost",
    "replay",
    "images",
    "deltas",
    "agent",
    "agents",
    "console",
)
"""Modules of this package that have `run`; the first line of each docstring says what it does."""
