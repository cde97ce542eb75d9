"""What an export of devices is asked for, as its operation holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ExportFormat(StrEnum):
    """What a file of devices may be."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported; `devices` of them are written so far, or in all once it has ended.

    `wanted` are the members of the filter (`fleet.queries.DeviceFilter`), `text` as given.
    """

    format: ExportFormat
    wanted: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    devices: int = 0
