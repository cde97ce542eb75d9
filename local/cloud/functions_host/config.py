"""What a host is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.cloud.functions_host.faults import Faults
from local.cloud.functions_host.host_json import HostOptions
from local.cloud.functions_host.keys import Keys


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One app and how to run it; `queue_lease` is in seconds."""

    app: Path
    host_id: str
    queue_lease: int
    options: HostOptions
    keys: Keys
    faults: Faults
