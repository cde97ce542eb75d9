"""Deployments: their life, and the twins that they ask devices through.

Sums over devices are made in `reporting`.
"""
