"""Deltas: make a file of an update from one that the device still has, and a small difference.

A file whose download handler is `HANDLER_ID` carries related files, each the difference to one
source, which is named by its hash. Whatever is wrong with them, the full file is fetched instead:
a delta saves time and traffic, and decides nothing.
"""

HANDLER_ID = "opendu/zstd-delta:1"
