"""Makes deltas between two files, in a process of its own with bounds of memory and time."""
