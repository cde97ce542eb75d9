"""Figures: the roll-up of a group, compliance and status read from it, and lists of groups.

Nothing here reads device rows; it reads counters and their sums.
"""
