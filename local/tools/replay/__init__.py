"""A fleet's recorded life, replayed into a running stack twice, shuffled, and checked.

The fleet lives offline, in the database of a hub that is not running, so that its events are those
of the hub and its twins stand at the hub as after a day on which the service was away. Then the
service gets the events of that day, in any order and more than once, while it is read and killed.
What it stores in the end is compared with one fold of the same events in their order.
"""
