"""What failed for good: messages in poison queues, and events that Event Grid gave up.

`storage` reads and moves them, `explained` says in words what each was for, `desk` lists them, sets
them going again and discards them.
"""
