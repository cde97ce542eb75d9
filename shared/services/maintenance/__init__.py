"""What sets work going again or clears up after it: sweeps, orphans, poison and dead letters.

It may use every other service; none uses it.
"""
