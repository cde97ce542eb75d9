"""Rows that the storage tests write."""

from __future__ import annotations

from shared.domain.fleet.device_class import make_device_class

KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
