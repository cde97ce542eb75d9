"""The accepted root key package in Table Storage: one row, beside the reports of recounts."""

from __future__ import annotations

from dataclasses import dataclass

from shared.adapters.table import Table, key, pack, stored
from shared.domain.errors import ConcurrentUpdate
from shared.ports import Stored

_PARTITION = key("", "rootkeys")
"""Begins with the separator, which the key of no instance does."""
_ROW = "accepted"


@dataclass(slots=True)
class TableAcceptedPackages:
    """Implements `ports.AcceptedPackages`."""

    table: Table

    async def get(self) -> Stored[str] | None:
        """See the port."""
        row = await self.table.get(_PARTITION, _ROW)
        return stored(row, str) if row else None

    async def save(self, package: str, etag: str | None) -> None:
        """See the port."""
        if etag is not None:
            await self.table.replace(_PARTITION, _ROW, pack(package), etag)
        elif not await self.table.insert(_PARTITION, _ROW, pack(package)):
            raise ConcurrentUpdate("Another process was the first.")
