"""Devices: their events, rows, lists, health, logs, and re-reads of the hub's registry.

What a device is asked is decided in `deployments`.
"""
