"""Verdicts of malware scans, and what Microsoft Defender says in its events.

Rules alone: the engines are adapters, the order in which they are asked is a service.
"""
