"""A Functions host for one machine.

Loads a function app as the cloud does, through Microsoft's own Python worker library, and feeds it
with HTTP requests, queue messages, blob events, timers, Event Hubs batches and Event Grid events
under the delivery rules of the real host. Nothing outside `local/`, `bench/` and `tests/` may
import it.
"""
