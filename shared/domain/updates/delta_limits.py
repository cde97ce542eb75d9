"""Sizes of files that deltas of our own kind are made for."""

from __future__ import annotations

SMALLEST_SOURCE_BYTES = 64 << 10
"""Agents keep no smaller files as sources."""
LARGEST_BYTES = 128 << 20
"""Of either file: agents give a delta no larger window, and it has to reach the whole source."""
