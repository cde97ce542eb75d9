"""Devices, their classes and counters, and the deployments that ask them: one knot of rules.

A device row, the counters beside it and the deployment that it answers are judged together, so they
stay in one folder. Clocks and ids are arguments; nothing here reads or writes.
"""
