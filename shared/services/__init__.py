"""Use cases: ports in, domain out; the only place that mixes rules and I/O.

One folder a subject, in one direction of dependence (held by import-linter). What several subjects
need lies beside them.
"""
