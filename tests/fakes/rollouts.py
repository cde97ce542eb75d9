"""A fleet whose time passes: devices that react to their twins, messages that wait for their hour.

The services are the real ones over ports in memory. `Fleet.run` lets hours pass in order: what is
due first happens first, be it a message, a report of a device or the sweep of the minute.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.contract.codes import Action, AgentState
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import result_report, startup_report, workflow_member
from shared.domain.fleet.counters import Counts, total
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import Actor, DeploymentRequest
from shared.domain.fleet.device import DeviceRecord, TwinChange, bucket_of
from shared.domain.fleet.rollout_figures import figures_by_class
from shared.domain.fleet.twin_content import kept_content
from shared.domain.rollouts.evaluation import baselines_of
from shared.domain.rollouts.figures import Figures, added
from shared.domain.rollouts.ledger import LEDGER
from shared.domain.rollouts.progress import Baseline, Progress
from shared.domain.rollouts.specification import Rollout
from shared.domain.rollouts.transition import Transition
from shared.domain.updates.update_id import UpdateId
from shared.ports import Stored
from tests.builders.deployments import an_update
from tests.fakes.hub import Twin
from tests.fakes.storage import Message
from tests.fakes.timed import START, StillClock, TimedQueues
from tests.unit.services.world import INSTANCE, World

_SWEEP = timedelta(minutes=1)
_REDELIVERED = 30.0
_REMEMBERED = 12


@dataclass
class Device:
    """One simulated device. `ends` says how an update ends on it; offline it hears nothing."""

    device_id: str
    model: str = "kiosk"
    ends: Callable[[str], str] = lambda _: "succeeds"
    is_online: bool = True
    begins_after: float = 2.0
    works: float = 30.0
    zone: str = ""
    installed: UpdateId | None = None
    running: str = ""
    seen: str = ""
    version: int = 1
    ran: list[str] = field(default_factory=list)


class Fleet(World):
    """Devices of one group, and the service that asks them."""

    def __init__(self, page_size: int = 1000) -> None:
        super().__init__()
        self.clock = StillClock(START)
        self.queues = TimedQueues(self.clock)
        self.devices._page_size = page_size
        self.simulated: dict[str, Device] = {}
        self._events: list[tuple[datetime, int, Callable[[], Any]]] = []
        self._number = itertools.count()
        self._swept = self.clock.moment
        self.sweeps_every = _SWEEP
        self.redelivered = 0
        self.report_delay: Callable[[], float] = lambda: 0.0
        self.told: deque[TwinChange] = deque(maxlen=_REMEMBERED)
        self.on_report: Callable[[TwinChange], None] = lambda _: None
        self.rebuild()
        self.hub.on_patch = self._patched  # type: ignore[attr-defined]

    # devices

    async def add(self, devices: Iterable[Device]) -> None:
        """Devices that introduce themselves."""
        changes: dict[int, list[TwinChange]] = {}
        for device in devices:
            self.simulated[device.device_id] = device
            self.hub.twins[device.device_id, None] = Twin()
            reported = dict(startup_report("acme", device.model))
            if device.zone:
                reported["deviceInformation"] = {"timeZone": device.zone}
            change = self._change(device, reported)
            changes.setdefault(bucket_of(device.device_id), []).append(change)
        for bucket, some in changes.items():
            await self.observe.twin_changes(INSTANCE, bucket, some)

    async def introduce(self, device: Device) -> None:
        """The device says again what it is."""
        await self.report(device, startup_report("acme", device.model))

    def _change(self, device: Device, reported: Mapping[str, Any]) -> TwinChange:
        return self._told(device.device_id, kept_content({"properties": {"reported": reported}}))

    def _told(self, device_id: str, content: Mapping[str, Any]) -> TwinChange:
        version = self.hub.twins[device_id, None].version + 1
        change = TwinChange(device_id, None, version, content, is_whole=False, at=self.clock.now())
        self.remember(change)
        return change

    async def report(self, device: Device, reported: Mapping[str, Any]) -> None:
        """Have a report reach the service, after its delay and until it has."""
        change = self._change(device, reported)
        delay = self.report_delay()
        if delay:
            self.at(delay, lambda: self.bring(change))
        else:
            await self.bring(change)

    async def bring(self, change: TwinChange) -> None:
        """Have the service fold a change; one at which it fails comes again."""
        try:
            await self.observe.twin_changes(INSTANCE, bucket_of(change.device_id), [change])
        except BaseException:
            self.at(_REDELIVERED, lambda: self.bring(change))
            raise
        self.told.append(change)
        self.on_report(change)

    async def delete(self, device_id: str) -> None:
        """Delete a device in the hub, which tells of it."""
        del self.simulated[device_id], self.hub.twins[device_id, None]
        await self.observe.deleted(INSTANCE, device_id, None, self.clock.now())

    async def tag(self, device_id: str, tags: Mapping[str, Any]) -> None:
        """Tag the twin of a device."""
        await self.bring(self._told(device_id, kept_content({"tags": tags})))

    def _patched(self, device_id: str) -> None:
        device = self.simulated.get(device_id)
        if device is not None and device.is_online:
            self.at(device.begins_after, lambda: self._look(device))

    async def _look(self, device: Device) -> None:
        """The device looks at its twin and does what it says."""
        if self.simulated.get(device.device_id) is not device:
            return  # it was deleted
        desired = self.hub.twins[device.device_id, None].desired.get("deviceUpdate")
        if desired is None or not device.is_online:
            return
        workflow = desired["service"]["workflow"]
        name = f"{workflow['id']}/{workflow.get('retryTimestamp') or ''}"
        if workflow["action"] == Action.CANCEL:
            await self._cancel(device, desired["service"])
            return
        if name == device.seen:
            return
        device.seen = device.running = name
        device.ran.append(workflow["id"])
        manifest = desired["service"]["updateManifest"]
        # the device goes on whatever becomes of the service at its report
        self.at(device.works, lambda: self._end(device, name, workflow, manifest))
        await self.report(device, self._said(AgentState.DEPLOYMENT_IN_PROGRESS, 1, workflow))

    async def _cancel(self, device: Device, service: Mapping[str, Any]) -> None:
        workflow = service["workflow"]
        reported = {"deviceUpdate": {"service": {"value": service, "ac": 200}}}
        self.at(0, lambda: self.report(device, reported))
        if device.running.startswith(f"{workflow['id']}/"):
            device.running = ""
            held = {"id": workflow["id"], "action": 3, "retryTimestamp": None}
            held["retryTimestamp"] = device.seen.partition("/")[2] or None
            await self.report(device, self._said(AgentState.IDLE, -1, held))

    async def _end(
        self, device: Device, name: str, workflow: Mapping[str, Any], manifest: str
    ) -> None:
        is_gone = self.simulated.get(device.device_id) is not device
        if device.running != name or not device.is_online or is_gone:
            return
        device.running = ""
        update = UpdateId(*manifest.rpartition(" ")[2].split("/"))
        outcome = device.ends(str(update))
        if outcome == "hangs":
            return
        if outcome == "fails":
            await self.report(device, self._said(AgentState.FAILED, 0, workflow))
            return
        device.installed = update
        if outcome == "reverts":
            older = UpdateId("acme", "kiosk", "0.1")
            self.at(60, lambda: self._revert(device, older))
        await self.report(device, self._said(AgentState.IDLE, 700, workflow, update))

    async def _revert(self, device: Device, older: UpdateId) -> None:
        if self.simulated.get(device.device_id) is not device:
            return
        device.installed = older
        name = ManifestUpdateId(**older.to_wire())
        reported = result_report(AgentState.IDLE, 700, installed_update_id=name)
        del reported["deviceUpdate"]["agent"]["state"]
        await self.report(device, reported)

    @staticmethod
    def _said(
        state: AgentState, code: int, workflow: Mapping[str, Any], installed: UpdateId | None = None
    ) -> dict[str, Any]:
        member = workflow_member(
            Action.PROCESS_DEPLOYMENT, workflow["id"], workflow.get("retryTimestamp")
        )
        named = ManifestUpdateId(**installed.to_wire()) if installed else None
        return result_report(state, code, workflow=member, installed_update_id=named)

    async def go_online(self, device: Device) -> None:
        """The device connects, and reads its twin."""
        device.is_online = True
        await self.observe.connection(
            INSTANCE,
            device.device_id,
            None,
            is_connected=True,
            sequence_number=f"{next(self._number):x}",
            at=self.clock.now(),
        )
        self.at(device.begins_after, lambda: self._look(device))

    # time

    def at(self, seconds: float, event: Callable[[], Any]) -> None:
        """Have something happen after so many seconds."""
        due = self.clock.moment + timedelta(seconds=seconds)
        heapq.heappush(self._events, (due, next(self._number), event))

    async def run(self, **span: float) -> None:
        """Let time pass."""
        end = self.clock.moment + timedelta(**span)
        while True:
            due = min(
                self.queues.waiting[0][0] if self.queues.waiting else end,
                self._events[0][0] if self._events else end,
                self._swept + self.sweeps_every,
            )
            if due >= end:
                break
            self.clock.set(due)
            await self._next(due)
        self.clock.set(end)

    async def _next(self, due: datetime) -> None:
        if self._events and self._events[0][0] <= due:
            await heapq.heappop(self._events)[2]()
        elif self.queues.waiting and self.queues.waiting[0][0] <= due:
            await self._handle(heapq.heappop(self.queues.waiting)[2])
        else:
            self._swept = due
            await self.sweep_once()

    async def sweep_once(self) -> None:
        """The sweep of a minute."""
        await self.sweep.run()

    async def _handle(self, message: Message) -> None:
        before = len(self.queues.messages)
        await self._deliver(Message(message.queue, message.body, 0))
        for again in self.queues.messages[before:]:
            self.redelivered += 1
            self.queues.put_back(again, 30.0)
        del self.queues.messages[before:]

    # operators

    async def roll_out(
        self, rollout: Rollout | None, update: UpdateId, name: str = "roll-1", **more: Any
    ) -> Deployment:
        """Deploy an update from now on."""
        request = DeploymentRequest(
            deployment_id=name,
            group_id="$default",
            update_id=update,
            starts_at=more.pop("starts_at", self.clock.now()),
            rollout=rollout,
            **more,
        )
        return await self.deploy.create(INSTANCE, request, author="operator")

    async def put(self, known: Deployment, rollout: Rollout | None) -> Deployment:
        """The PUT of a client for a deployment that it knows."""
        return await self.roll_out(
            rollout, known.update_id, known.deployment_id, starts_at=known.starts_at
        )

    async def with_updates(self, *updates: UpdateId) -> None:
        """Updates for every device."""
        for update_id in updates:
            item = an_update(update_id, compatibility=({"manufacturer": "acme"},))
            await self.updates.add(INSTANCE, item)

    async def operate(self, change: Callable[..., Any], *args: Any, name: str = "roll-1") -> None:
        """What an operator does to a roll-out: a function of `rollout_controls`."""
        stored = await self.deployments.get(INSTANCE, "$default", name)
        assert stored is not None
        made = change(stored.value, Actor("operator", self.clock.now()), *args)
        if made is None:
            return
        changed, transition = made
        await self.deployments.save(INSTANCE, changed, stored.etag, [transition])
        await self.fan_outs.enqueue(INSTANCE, changed)

    async def forgiven(self, name: str = "roll-1") -> dict[str, Baseline]:
        """What a resume would forgive now."""
        deployment = await self.deployment(name)
        assert deployment.rollout is not None
        assert deployment.progress is not None
        by_class = figures_by_class(deployment, self.counts(), self.clock.now())
        return baselines_of(deployment.rollout, deployment.progress, by_class)

    async def progress(self, name: str = "roll-1") -> Progress:
        """Where a roll-out stands."""
        progress = (await self.deployment(name)).progress
        assert progress is not None
        return progress

    async def steps(self, name: str = "roll-1") -> list[str]:
        """What has become of it, step by step."""
        return [str(item.step) for item in await self.history(name)]

    async def history(self, name: str = "roll-1") -> list[Transition]:
        """Its transitions."""
        page = await self.deployments.history(
            INSTANCE, await self.deployment(name), token=None, size=1000
        )
        return list(page.items)

    # what is stored

    def records(self) -> list[DeviceRecord]:
        """Every device's row."""
        return [row.value for _, row in self.devices.rows.items()]

    def counts(self) -> Counts:
        """The counters of all buckets."""
        rows = self.devices.counts_rows.items()
        return total({place[2]: row.value} for place, row in rows if place[2][1] != LEDGER)

    def row(self, device_id: str) -> DeviceRecord:
        """One device's row."""
        stored: Stored[DeviceRecord] | None = self.devices.rows.get(
            (INSTANCE, bucket_of(device_id), device_id)
        )
        assert stored is not None
        return stored.value

    def asked(self, deployment: Deployment) -> set[str]:
        """Devices whose row says that the deployment asks them now."""
        return {
            record.device_id
            for record in self.records()
            if record.commanded is not None
            and record.commanded.workflow_id == deployment.workflow_id
            and not record.commanded.is_cancel
        }

    def in_twins(self, deployment: Deployment) -> set[str]:
        """Devices whose twin asks for the deployment."""
        found = set()
        for (device_id, _), twin in self.hub.twins.items():
            service = twin.desired.get("deviceUpdate", {}).get("service")
            workflow = service["workflow"] if service else {"action": Action.CANCEL, "id": ""}
            is_asked = workflow["action"] == Action.PROCESS_DEPLOYMENT
            if is_asked and workflow["id"].partition(".")[0] == deployment.workflow_id:
                found.add(device_id)
        return found

    async def figures(self, name: str = "roll-1") -> Figures:
        """The roll-out's figures now, over all labels and classes."""
        deployment = await self.deployment(name)
        by_class = figures_by_class(deployment, self.counts(), self.clock.now())
        return added(each for labels in by_class.values() for each in labels.values())
