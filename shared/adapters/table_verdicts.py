"""Scan verdicts in Table Storage: partition = instance and content, row = engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.table import (
    AFTER_SEPARATOR,
    SEPARATOR,
    Table,
    key,
    key_parts,
    pack,
    unpack,
)
from shared.contract.encoding import unb64
from shared.domain.scanning.scan import Verdict
from shared.ports import JudgedContent, Page

_DELTA = "delta"
"""Earlier releases did not open such files and said so in a column `isOpaque`, which nobody reads
any more.
"""


@dataclass(slots=True)
class TableVerdicts:
    """Implements `ports.Verdicts`."""

    table: Table

    async def on(
        self, instance: str, sha256: str, *, may_be_delta: bool | None = None
    ) -> Sequence[Verdict]:
        """See the port."""
        parameters: dict[str, object] = {"partition": _partition(instance, sha256)}
        condition = "PartitionKey eq @partition"
        if may_be_delta is not None:
            condition += " and mayBeDelta eq @delta"
            parameters["delta"] = may_be_delta
        rows = await self.table.all(condition, parameters)
        return [unpack(row, Verdict) for row in rows if "mayBeDelta" in row]

    async def put(
        self, instance: str, sha256: str, verdict: Verdict, *, may_be_delta: bool, at: str
    ) -> None:
        """See the port."""
        row = key(verdict.engine, *([_DELTA] if may_be_delta else []))
        facts = {"mayBeDelta": may_be_delta, "judgedAt": at}
        await self.table.upsert(_partition(instance, sha256), row, {**facts, **pack(verdict)})

    async def list(self, instance: str, token: str | None = None) -> Page[JudgedContent]:
        """See the port."""
        page = await self.table.page(
            "PartitionKey gt @from and PartitionKey lt @to",
            {"from": key(instance) + SEPARATOR, "to": key(instance) + AFTER_SEPARATOR},
            token=token,
            size=100,
            select=["PartitionKey", "judgedAt"],
        )
        items = [
            JudgedContent(key_parts(row["PartitionKey"])[1], row["judgedAt"]) for row in page.items
        ]
        return Page(items, page.token)

    async def forget(self, instance: str, sha256: str) -> None:
        """See the port."""
        partition = key(instance, sha256)
        rows = await self.table.all(
            "PartitionKey eq @partition", {"partition": partition}, select=["RowKey"]
        )
        for row in rows:
            await self.table.delete(partition, row["RowKey"])


def _partition(instance: str, sha256: str) -> str:
    return key(instance, unb64(sha256).hex())
