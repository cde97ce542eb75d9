"""Malware scans: the engines in turn, their rules, Defender's results and re-scans.

An engine itself is an adapter.
"""
