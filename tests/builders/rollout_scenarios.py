"""Builders and looks that tests of rollout scenarios share."""

from __future__ import annotations

ANY = ({"manufacturer": "acme"},)
