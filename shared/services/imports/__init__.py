"""Imports: from a request or a dropped manifest to a published update.

One module a stage (`fetch`, `scan`, `publish`); `operation` starts and ends them, `attempt` is one
try at a stage. Reads and removals of what is published are in `updates`.
"""
