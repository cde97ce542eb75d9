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
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from shared import messages
from shared.domain.errors import DependencyFailed, DependencyRefused, NotFound
from shared.domain.fleet.asking import given, refused
from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.reconcile import LINK_LIFE, desired_command
from shared.domain.fleet.reconcile_decision import Decision
from shared.domain.rollouts.ledger import Booking
from shared.domain.rollouts.selection import place_of
from shared.domain.updates.update_id import UpdateId
from shared.ports import (
    NO_TELEMETRY,
    Clock,
    Deployments,
    Devices,
    DeviceWrite,
    DueQuery,
    Hub,
    Passes,
    Queues,
    Stored,
    Telemetry,
)
from shared.services.announce import Announcer
from shared.services.commands import Commands
from shared.services.deployments.asks import (
    all_files,
    as_written,
    asking,
    asks_for,
    followed,
    is_answer_to,
)
from shared.services.deployments.bucket_pass import BucketPass, open_phases, ranks_of
from shared.services.deployments.fan_out import LONGEST_DELAY_SECONDS
from shared.services.device_write import device_write
from shared.services.pacing import Pacer
from shared.services.retrying import retry_on_conflict
from shared.services.rollup_scheduler import RollupScheduler

log = logging.getLogger(__name__)

_REMINDED_AT_ONCE = 100
_CHUNK = 25
"""Devices claimed at once: with their histories and counters they fit into one transaction."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A device whose row says what it is asked, and the patch that its twin needs.

    `command` is what the row says once the twin is patched.
    """

    row: Stored[DeviceRecord]
    patch: Mapping[str, Any]
    command: DeviceCommand


@dataclass(frozen=True, slots=True)
class _Offer:
    """A device, and what it is to be asked."""

    row: Stored[DeviceRecord]
    group: str
    decision: Decision
    place: int


@dataclass(slots=True)
class Reconcile:
    """Asks devices for what they should do, and takes back what they should not."""

    devices: Devices
    passes: Passes
    deployments: Deployments
    hub: Hub
    commands: Commands
    pacer: Pacer
    rollups: RollupScheduler
    queues: Queues
    clock: Clock
    announcer: Announcer = field(default_factory=Announcer)
    link_life: timedelta = LINK_LIFE
    telemetry: Telemetry = NO_TELEMETRY

    async def run(self, order: messages.Reconcile) -> None:
        """Reconcile the devices that a message names, or its group, in one bucket."""
        if order.devices is not None:
            await self.devices_of_bucket(order.instance, order.bucket, order.devices)
        elif order.recalled is not None:
            await self._recalled_in_bucket(order.instance, order.bucket, order.recalled)
        elif order.group is not None and order.workflow is None:
            await self.group_in_bucket(order.instance, order.bucket, order.group)
        elif order.group is not None and order.workflow is not None:
            await self.rollout_in_bucket(
                order.instance,
                order.bucket,
                DueQuery(order.group, order.workflow, unasked=order.unasked, asked=order.asked),
            )

    async def devices_of_bucket(self, instance: str, bucket: int, keys: Sequence[str]) -> None:
        """Reconcile these devices of one bucket."""
        run = BucketPass(instance, bucket, self.deployments, self.passes)
        for some in batched(keys, _CHUNK, strict=False):
            rows = await self.devices.load(instance, bucket, some)
            await self._chunk(run, list(rows.values()))
        for group in await run.write_down_left():
            await self.rollups.request(instance, group)
        await self._remind(run)

    async def group_in_bucket(self, instance: str, bucket: int, group: str) -> None:
        """Reconcile every device of a group in one bucket."""
        run = BucketPass(instance, bucket, self.deployments, self.passes)
        begun, phases = await run.begin(group), open_phases(await run.of_group(group))
        token: str | None = None
        while True:
            page = await self.devices.of_bucket(instance, bucket, group=group, token=token)
            for rows in batched(page.items, _CHUNK, strict=False):
                await self._chunk(run, rows)
            if (token := page.token) is None:
                break
        await run.write_down(group, begun, phases)
        await self._remind(run)
        if phases:
            await self.rollups.request(instance, group)

    async def _recalled_in_bucket(self, instance: str, bucket: int, recalled: UpdateId) -> None:
        """Take an update back from devices of every group, also where its deployment is gone."""
        run = BucketPass(instance, bucket, self.deployments, self.passes, recalled=recalled)
        token: str | None = None
        while True:
            page = await self.devices.of_bucket(instance, bucket, token=token)
            asked = [row for row in page.items if asks_for(row.value, recalled)]
            for rows in batched(asked, _CHUNK, strict=False):
                await self._chunk(run, rows)
            if (token := page.token) is None:
                return

    async def rollout_in_bucket(self, instance: str, bucket: int, query: DueQuery) -> None:
        """Reconcile the devices of a bucket that one deployment has to do with.

        Where it leaves devices for want of room it stops reading, and its ledger says so.
        """
        run = BucketPass(instance, bucket, self.deployments, self.passes)
        begun, known = await run.begin(query.group), await run.of_group(query.group)
        phases = open_phases(item for item in known if item.workflow_id == query.workflow_id)
        deployment = next((item for item in known if item.workflow_id == query.workflow_id), None)
        query = replace(query, ranks=ranks_of(deployment))
        token: str | None = None
        while True:
            page = await self.passes.due(instance, bucket, query, token=token)
            rows = list(page.items)
            if deployment is not None:
                seed = deployment.seed
                rows.sort(key=lambda row: place_of(row.value.device_id, seed))
            for some in batched(rows, _CHUNK, strict=False):
                await self._chunk(run, some)
                if run.is_full(query.group, query.workflow_id) and not query.asked:
                    page = replace(page, token=None)
                    break
            if (token := page.token) is None:
                break
        looked_at = query.workflow_id if query.asked else ""
        await run.write_down(query.group, begun, phases if query.unasked else {}, looked_at)
        await self._remind(run)
        if phases and query.unasked:  # what was left, or that nobody is, moves the roll-out on
            await self.rollups.request(instance, query.group)

    async def _remind(self, run: BucketPass) -> None:
        """Have devices looked at when their time has come: a window of theirs opens or closes."""
        now = datetime.fromisoformat(self.clock.now())
        for at, keys in run.reminders().items():
            ahead = (datetime.fromisoformat(at) - now).total_seconds()
            for some in batched(keys, _REMINDED_AT_ONCE, strict=False):
                await self.queues.put(
                    messages.Reconcile(
                        instance=run.instance, bucket=run.bucket, devices=list(some)
                    ),
                    delay_seconds=min(max(1.0, ahead), LONGEST_DELAY_SECONDS),
                )

    async def _chunk(self, run: BucketPass, rows: Sequence[Stored[DeviceRecord]]) -> None:
        keys = [row.value.key for row in rows]
        at_hand = [list(rows)]

        async def cycle() -> list[_Claim]:
            if at_hand:
                return await self._claim(run, at_hand.pop())
            known = await self.devices.load(run.instance, run.bucket, keys)
            return await self._claim(run, list(known.values()))

        claims = await retry_on_conflict(cycle)
        results = await asyncio.gather(
            *(self._patch(run.instance, claim) for claim in claims), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        answers = {
            claim.row.value.key: result
            for claim, result in zip(claims, results, strict=True)
            if not isinstance(result, BaseException)
        }
        if answers:
            answered = [claim for claim in claims if claim.row.value.key in answers]
            await self._confirm(run, answered, answers)
        if failures:
            raise failures[0]

    async def _claim(self, run: BucketPass, rows: Iterable[Stored[DeviceRecord]]) -> list[_Claim]:
        claims, offers = [], []
        for row in rows:
            offer = await self._offer(run, row)
            run.remind(row.value.key, offer.decision.remind_at)
            if offer.decision.command is not None:
                offers.append(offer)
                continue
            run.note_closing(offer.group, offer.decision, row.value.commanded)
            if row.value.is_pending and row.value.commanded is not None:
                claims += await self._again(run, row, row.value.commanded)
            else:
                run.leave(offer.group, offer.decision)
        return claims + await self._write(run, await self._with_room(run, offers))

    async def _offer(self, run: BucketPass, row: Stored[DeviceRecord]) -> _Offer:
        group = view(row.value).group_id
        known = await run.of_group(group)
        decision = desired_command(
            row.value,
            known,
            self.clock.now(),
            link_life=self.link_life,
            is_recalled=run.recalled is not None and asks_for(row.value, run.recalled),
        )
        seed = decision.deployment.seed if decision.deployment is not None else ""
        place = place_of(row.value.device_id, seed) if seed else 0
        return _Offer(row, group, decision, place)

    async def _again(
        self, run: BucketPass, row: Stored[DeviceRecord], command: DeviceCommand
    ) -> list[_Claim]:
        """A device whose twin may not have got what its row says."""
        made = await self._made(run, row.value, command)
        return [_Claim(row, *made)] if made is not None else []

    async def _with_room(
        self, run: BucketPass, offers: Sequence[_Offer]
    ) -> list[tuple[_Offer, Booking | None]]:
        found = []
        for group in dict.fromkeys(offer.group for offer in offers):
            here = [offer for offer in offers if offer.group == group]
            rooms = await run.with_room(group, [(offer.decision, offer.place) for offer in here])
            for offer, (has_room, booking) in zip(here, rooms, strict=True):
                if has_room:
                    found.append((offer, booking))
                    run.note_closing(group, offer.decision, None)
                else:
                    run.leave(group, offer.decision)
        return found

    async def _write(
        self, run: BucketPass, granted: Sequence[tuple[_Offer, Booking | None]]
    ) -> list[_Claim]:
        now = self.clock.now()
        writes: list[DeviceWrite] = []
        patches: dict[str, tuple[Mapping[str, Any], DeviceCommand]] = {}
        for offer, booking in granted:
            record, command = offer.row.value, offer.decision.command
            assert command is not None
            if command.is_given_up:
                after = replace(record, commanded=command)
            else:
                made = await self._made(run, record, command)
                if made is None:
                    continue
                command = replace(
                    command,
                    file_ids=all_files(record, made[1]),
                    traceparent=followed(
                        run, record, command, offer.decision.deployment, self.telemetry
                    ),
                )
                after = given(record, command, now)
                patches[record.key] = made
            write = device_write(self.announcer, run.instance, offer.row, after)
            if write is not None:
                writes.append(replace(write, booking=booking))
        if not writes:
            return []
        written = await self.devices.commit(run.instance, run.bucket, writes)
        await self._tell(run, writes)
        return [
            _Claim(written[key], patch, as_written(written[key].value, command))
            for key, (patch, command) in patches.items()
        ]

    async def _made(
        self, run: BucketPass, record: DeviceRecord, command: DeviceCommand
    ) -> tuple[Mapping[str, Any], DeviceCommand] | None:
        """The patch of a command; None where its update is gone.

        An update can be deleted once no active deployment needs it; an older deployment that comes
        into force again has nothing to ask for then.
        """
        try:
            return await self.commands.desired(run.instance, command, record.commanded, run.parts)
        except NotFound as error:
            log.warning("%s is left as it is: %s", record.key, error.message)
            return None

    async def _tell(self, run: BucketPass, writes: Sequence[DeviceWrite]) -> None:
        for group in {item.after.commanded.group_id for item in writes if item.after.commanded}:
            await self.rollups.request(run.instance, group)
        if any(write.events for write in writes):
            await self.announcer.bucket(run.instance, run.bucket)

    async def _patch(self, instance: str, claim: _Claim) -> str:
        """Patch the twin; why the hub will never take it, empty if it has."""
        record = claim.row.value
        await self.pacer.turn(instance)
        try:
            with asking(self.telemetry, instance, record.key, claim.command):
                await self.hub.patch_desired(
                    instance, record.device_id, record.module_id, claim.patch
                )
        except NotFound:
            return ""  # the device is gone; its deletion event takes care of the row
        except DependencyRefused as error:
            log.warning("the command of %s is refused for good: %s", record.key, error.message)
            return error.message
        except DependencyFailed as error:
            self.pacer.push_back(instance, error.retry_after)
            raise
        return ""

    async def _confirm(
        self, run: BucketPass, claims: Sequence[_Claim], answers: Mapping[str, str]
    ) -> None:
        by_key = {claim.row.value.key: claim for claim in claims}
        at_hand = [{key: claim.row for key, claim in by_key.items()}]

        async def cycle() -> None:
            rows = (
                at_hand.pop()
                if at_hand
                else await self.devices.load(run.instance, run.bucket, list(by_key))
            )
            writes = [
                write
                for key, row in rows.items()
                if (after := self._answered(row.value, by_key[key].command, answers[key]))
                is not None
                and (write := device_write(self.announcer, run.instance, row, after)) is not None
            ]
            if writes:
                await self.devices.commit(run.instance, run.bucket, writes)
            if any(answers.values()):
                await self._tell(run, writes)

        await retry_on_conflict(cycle)

    def _answered(
        self, record: DeviceRecord, command: DeviceCommand, refusal: str
    ) -> DeviceRecord | None:
        """The row after the hub's answer; None if it was asked for something else since."""
        if not is_answer_to(record, command):
            return None
        if refusal:
            return refused(record, refusal, self.clock.now())
        return replace(record, commanded=command, is_pending=False)
