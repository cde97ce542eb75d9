"""Brings device twins to what the deployments in force ask for.

A device is claimed first: its row says what it is asked before its twin does, so that no device
ever runs what no counter counts, and what a roll-out may ask is never exceeded. Then the twin is
patched, then the row is confirmed. A death in between leaves the row pending, and whoever sees that
patches the same once more: a device ignores what it was asked already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import Any

from shared.domain.errors import ConcurrentUpdate, DependencyFailed, NotFound
from shared.domain.fleet.asking import given
from shared.domain.fleet.command import Commanded
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.reconcile import Decision, desired_command
from shared.ports import Clock, Devices, DeviceWrite, DueQuery, Hub, Passes, Stored
from shared.services.announce import Announcer
from shared.services.deployments.command import Commands
from shared.services.deployments.passes import Pass
from shared.services.devices.device_write import device_write
from shared.services.pacing import Pacer
from shared.services.retrying import until_uncontended
from shared.services.rollup_scheduler import RollupScheduler

log = logging.getLogger(__name__)

_CHUNK = 25
"""Devices claimed at once: with their histories and counters they fit into one transaction."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A device whose row says what it is asked, and the patch that its twin needs."""

    row: Stored[DeviceRecord]
    desired: Mapping[str, Any]
    command: Commanded


@dataclass(slots=True)
class Reconcile:
    """Asks devices for what they should do, and takes back what they should not."""

    devices: Devices
    passes: Passes
    plans: PassPlans
    hub: Hub
    commands: Commands
    pacer: Pacer
    rollups: RollupScheduler
    clock: Clock
    announcer: Announcer = field(default_factory=Announcer)
