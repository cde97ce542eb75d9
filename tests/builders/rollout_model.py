"""The model of a roll-out: what operators have done as plain sets, and what no claim may break.

A claim is a write of a device's row that has it asked. Each is looked at as it is made, with
places, windows and precedences worked out anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import TwinChange, view
from shared.domain.fleet.orders import OrderKind
from shared.domain.rollouts.specification import Window
from shared.ports import DeviceWrite
from shared.services.deployments.device_orders import OwnRequest
from tests.fakes.rollouts import Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1

NAME = "roll-1"
_OWN = "mine"
_CIRCLE = 1 << 64
_FINISHED = 700


@dataclass
class Model:
    """What operators have done, and what devices have answered in their present lives."""

    fleet: Fleet
    excluded: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    advanced: set[int] = field(default_factory=set)
    recalled: set[str] = field(default_factory=set)
    was_uncapped: bool = False
    answered: dict[str, list[Deployment]] = field(default_factory=dict)
    homes: dict[str, tuple[str, str]] = field(default_factory=dict)
    born: dict[str, str] = field(default_factory=dict)

    # what operators do

    async def order(self, device: str, kind: str) -> None:
        """Order something for one device."""
        orders, place = self.fleet.services.deployments.device_orders, (INSTANCE, device, None)
        if kind == "Include":
            await orders.include(place, NAME, group="$default")
            self.excluded.discard(device)
            return
        await orders.order(
            place, NAME, OrderKind(kind), group="$default", by="operator", reason="a test"
        )
        if kind == "Exclude":
            self.excluded.add(device)

    async def give_or_take(self, device: str, *, has_window: bool) -> None:
        """Give a device a deployment of its own, or take it away."""
        orders, place = self.fleet.services.deployments.device_orders, (INSTANCE, device, None)
        if device in self.given:
            await orders.withdraw(place, _OWN)
            self.given.discard(device)
            return
        windows = (Window(cron="0 */3 * * *", duration="PT1H"),) if has_window else ()
        request = OwnRequest(_OWN, V1, self.fleet.clock.now(), windows)
        await orders.deploy(place, request, "operator")
        self.given.add(device)

    def forget(self, device: str) -> None:
        """A device was deleted: one of the same id begins anew."""
        self.excluded.discard(device)
        self.given.discard(device)
        self.answered.pop(device, None)
        self.homes.pop(device, None)
        self.born[device] = self.fleet.clock.now()

    # what is seen

    def heard(self, change: TwinChange) -> None:
        """A report of a device was folded: it may have answered what it is asked."""
        agent = change.content.get("agent") or {}
        name = str((agent.get("workflow") or {}).get("id") or "").partition(".")[0]
        if not name or change.at < self.born.get(change.device_id, ""):
            return
        current = self.fleet.row(change.device_id).commanded
        result = (agent.get("lastInstallResult") or {}).get("resultCode")
        if current is None or current.workflow_id != name or current.is_cancel:
            return
        if agent.get("state") in (6, 255) or result == _FINISHED:
            known = self.answered.setdefault(change.device_id, [])
            known += [item for item in self._known(change.device_id) if item.workflow_id == name]

    def saw(self, write: DeviceWrite) -> None:
        """A row was written."""
        device = write.after.device_id
        seen = view(write.after)
        home = seen.group_id, seen.device_class.class_id if seen.device_class else ""
        if self.homes.get(device, home) != home:
            self.answered.pop(device, None)
        self.homes[device] = home
        before = write.before.value.commanded if write.before else None
        after = write.after.commanded
        if after is None or after.is_cancel or _is_same_ask(before, after):
            return
        for item in (*self._known(device), *write.after.own):
            if item.workflow_id == after.workflow_id:
                self._check_claim(write, item, before)

    def _known(self, device: str) -> Iterable[Deployment]:
        stored = self.fleet.deployments._rows.items()
        rows = self.fleet.devices.rows.items()
        own = [each for _, row in rows if row.value.device_id == device for each in row.value.own]
        return [*(row.value for _, row in stored), *own]

    def _check_claim(
        self, write: DeviceWrite, item: Deployment, before: DeviceCommand | None
    ) -> None:
        device, home = write.after.device_id, self.homes[write.after.device_id]
        about = device, item.deployment_id, item.progress
        assert item.group_id == home[0] or item.is_own, about
        assert not item.subgroup(home[1]).is_canceled, about
        if item.rollout is not None:
            progress = item.progress
            assert progress is not None, about
            assert progress.may_ask, about
            selects = [phase.select for phase in item.rollout.phases[: progress.phase + 1]]
            was_asked = before is not None and before.workflow_id == item.workflow_id
            assert (
                any(_share(device, item.seed) < (each.percent or 0) for each in selects)
                or selects[-1].count
                or (was_asked and selects[0].count)
            ), about
        if item.deployment_id == NAME:
            assert device not in self.excluded, about
        if item.undoes:
            assert before is not None, about
            assert before.workflow_id in (item.undoes, item.workflow_id), about
        for window in item.windows:
            assert _is_open(window, self._zone(device), self.fleet.clock.moment), about
        if before is None or before.workflow_id != item.workflow_id:
            for known in self.answered.get(device, ()):
                is_older = item.starts_at <= known.starts_at
                goes_back = item.precedence < known.precedence and is_older
                assert item.undoes or not goes_back, (about, known.deployment_id)

    def _zone(self, device: str) -> str:
        return str(self.fleet.hub.twins[device, None].tags.get("timeZone") or "UTC")


def _is_same_ask(before: DeviceCommand | None, after: DeviceCommand) -> bool:
    if before is None or before.is_cancel:
        return False
    return _ask_of(before) == _ask_of(after)


def _ask_of(command: DeviceCommand) -> tuple[Any, ...]:
    return command.workflow_id, command.ask, command.retry_timestamp


def _share(device: str, seed: str) -> float:
    """Where the device comes in the roll-out, in per cent."""
    rank = int.from_bytes(hashlib.sha256(device.encode()).digest()[8:16], "big")
    offset = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    return 100 * ((rank - offset) % _CIRCLE) / _CIRCLE


def _is_open(window: Window, zone: str, now: datetime) -> bool:
    """Whether a window of the model's, an hour at whole multiples of hours, may be asked in now."""
    minute, hours, *_ = window.cron.split()
    assert (minute, window.duration) == ("0", "PT1H")
    try:
        local = now.astimezone(ZoneInfo(zone if window.zone == "device" else window.zone))
    except (KeyError, ValueError):
        local = now
    return local.hour % int(hours.removeprefix("*/")) == 0 and local.minute < 45
