"""Operators order something for one device, within a deployment of its group or apart from any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared import messages
from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet import device_orders as rules
from shared.domain.fleet.deployment import Deployment, SignatureGeneration, check_deployment_id
from shared.domain.fleet.device import DeviceRecord, bucket_of, device_key, view
from shared.domain.fleet.orders import EVERYTHING, Order, OrderKind
from shared.domain.rollouts.request import windows_in_one_form
from shared.domain.rollouts.specification import Window
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Devices, Queues
from shared.services.announce import Announcer
from shared.services.deployments.admission import Admission
from shared.services.device_write import device_write
from shared.services.own_deployments import DevicesOwnDeployments
from shared.services.retrying import retry_on_conflict

type Device = tuple[str, str, str | None]
"""Instance, device id and module id."""


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A deployment for one device; `starts_at` is ISO 8601, UTC. `windows` say when it may be
    asked, beside a window that it has of its own, unless `ignores_device_window`.
    """

    deployment_id: str
    update_id: UpdateId
    starts_at: str
    windows: tuple[Window, ...] = ()
    ignores_device_window: bool = False


@dataclass(slots=True)
class DeviceOrders:
    """Orders stand in the device's row, so they cost nothing until the device is looked at."""

    devices: Devices
    deployments: Deployments
    queues: Queues
    clock: Clock
    admission: Admission
    announcer: Announcer
    own_deployments: DevicesOwnDeployments

    async def get(self, device: Device) -> DeviceRecord:
        """A device. Raises NotFound."""
        instance, device_id, module_id = device
        key = device_key(device_id, module_id)
        rows = await self.devices.load(instance, bucket_of(device_id), [key])
        if key not in rows or not rows[key].value.registers:
            raise _no_device(key)
        return rows[key].value

    async def deploy(self, device: Device, request: OwnRequest, by: str) -> Deployment:
        """Give the device a deployment of its own: it goes before all of its groups.

        Raises:
            NotFound: Unknown device or update.
            InvalidInput: The update is not deployable, the id is not legal, or a window breaks a
                rule.
            Conflict: The update was recalled, or the id is taken by another update.
            LimitExceeded: The device has as many as it may have.
        """
        check_deployment_id(request.deployment_id)
        update = await self.admission.update(device[0], request.update_id)
        now = self.clock.now()
        made = Deployment(
            deployment_id=request.deployment_id,
            group_id="",
            update_id=update.update_id,
            compatibility=update.compatibility,
            workflow_id=self.clock.fresh_id(),
            starts_at=request.starts_at,
            created_at=now,
            issue=SignatureGeneration(update.signature_edition),
            author=by,
            is_own=True,
            warnings=update.warnings,
            own_windows=windows_in_one_form(request.windows),
            ignores_device_window=request.ignores_device_window,
        )
        await self.own_deployments.note(device[0], await self.get(device), made.update_id)
        changed = await self._change(device, lambda record: rules.with_own(record, made))
        own = rules.own_of(changed, request.deployment_id)
        if own.workflow_id == made.workflow_id:
            await self._check_still_there(device, own)
        return own

    async def _check_still_there(self, device: Device, own: Deployment) -> None:
        """A deletion or recall that began meanwhile may not have seen it: then this sees that."""
        try:
            await self.admission.update(device[0], own.update_id)
        except (NotFound, Conflict):
            await self.withdraw(device, own.deployment_id)
            raise

    async def withdraw(self, device: Device, deployment_id: str) -> None:
        """Forget a deployment of the device's own; what it has not begun is taken back.

        Raises:
            NotFound: There is none.
        """
        await self._change(device, lambda record: rules.without_own(record, deployment_id))

    async def order(
        self,
        device: Device,
        deployment_id: str,
        kind: OrderKind,
        *,
        group: str | None,
        by: str,
        reason: str,
    ) -> DeviceRecord:
        """Cancel, retry or exclude.

        Args:
            device: The device.
            deployment_id: The deployment; `*` to exclude the device from everything.
            kind: What is ordered.
            group: Group of the deployment; the device's own deployments and those of its group are
                looked through by default.
            by: Object id of who asks.
            reason: Why, for people.

        Raises:
            NotFound, Conflict, LimitExceeded: As `device_orders.ordered` says.
        """
        workflow_id = await self._workflow(device, deployment_id, group, kind)
        order = Order(kind, workflow_id, self.clock.now(), by, reason)
        return await self._change(device, lambda record: rules.ordered(record, order))

    async def include(
        self, device: Device, deployment_id: str, *, group: str | None
    ) -> DeviceRecord:
        """Undo an exclusion. Raises NotFound."""
        workflow_id = await self._workflow(device, deployment_id, group, OrderKind.EXCLUDE)
        return await self._change(device, lambda record: rules.included(record, workflow_id))

    async def _workflow(
        self, device: Device, deployment_id: str, group: str | None, kind: OrderKind
    ) -> str:
        if deployment_id == EVERYTHING and kind is OrderKind.EXCLUDE:
            return EVERYTHING
        record = await self.get(device)
        if group is None:
            for own in record.own:
                if own.deployment_id == deployment_id:
                    return own.workflow_id
        place = group if group is not None else view(record).group_id
        stored = await self.deployments.get(device[0], place, deployment_id)
        if stored is None:
            raise NotFound(
                f"There is no deployment '{deployment_id}' of device '{record.key}' or of group "
                f"'{place}'.",
                target="deploymentId",
            )
        return stored.value.workflow_id

    async def _change(
        self, device: Device, change: Callable[[DeviceRecord], DeviceRecord]
    ) -> DeviceRecord:
        instance, device_id, module_id = device
        bucket, key = bucket_of(device_id), device_key(device_id, module_id)

        async def cycle() -> DeviceRecord:
            rows = await self.devices.load(instance, bucket, [key])
            row = rows.get(key)
            if row is None or not row.value.registers:
                raise _no_device(key)
            after = change(row.value)
            write = device_write(self.announcer, instance, row, after)
            if write is not None:
                await self.devices.commit(instance, bucket, [write])
            return after

        changed = await retry_on_conflict(cycle)
        # whether changed now or by a try that died before it came here
        await self.queues.put(messages.Reconcile(instance=instance, bucket=bucket, devices=[key]))
        return changed


def _no_device(key: str) -> NotFound:
    return NotFound(f"Device '{key}' does not exist.", target="deviceId")
