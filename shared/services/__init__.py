"""Use cases: ports in, domain out; the only place that mixes rules and I/O."""
