"""Which agent the devices of a test run."""

from __future__ import annotations

import pytest

both_agents = pytest.mark.parametrize(
    "product", ["odu", "c"], indirect=True, ids=["our agent", "C agent"]
)
"""Ours, and then the model of the open-source C agent."""

c_agent = pytest.mark.parametrize("product", ["c"], indirect=True, ids=["C agent"])
"""The model of the C agent alone: what only it does."""
