"""The ports in memory: small, but honest about ETags, missing things and what survives a crash.

Values are kept as they are, for they are immutable; messages pass through JSON. Every call gives
other tasks a turn, so that races show.
"""
