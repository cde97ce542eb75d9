"""Roll-outs: how a deployment reaches its devices step by step, and what makes it stop.

Specification, selection, windows, gates and transitions as pure functions. Nothing here knows
device rows; `fleet` applies these rules to them.
"""
