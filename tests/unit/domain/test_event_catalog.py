"""Each event for customers, whole: its identity never changes, or one would be told twice."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.domain_event import DomainEvent, EventKind
from shared.domain.events.catalog import (
    deployment_canceled,
    deployment_finished,
    deployment_started,
    device_ended,
    rollout_changed,
    source_of,
    update_imported,
    update_recalled,
    update_refused,
)
from shared.domain.fleet.device import DeviceRecord, DeviceState
from shared.domain.operation import Failure
from shared.domain.rollouts.progress import ReasonCode, Status
from shared.domain.rollouts.specification import Phase, Select
from shared.domain.rollouts.transition import Step, Transition
from tests.builders.decisions import ASKED, a_device, a_phased, kiosk_id
from tests.builders.ports import an_operation
from tests.unit.domain.builders import V2, a_deployment, at_second, busy, failed, succeeded

AT = at_second(7)
REFERENCE = {"provider": "acme", "name": "kiosk", "version": "2.0"}
ITEM = a_deployment("w1", group_id="lobby/1", deployment_id="roll 1")
PLACE = "management/groups/lobby%2F1/deployments/roll%201"
ABOUT = {"deploymentId": "roll 1", "groupId": "lobby/1", "update": REFERENCE}


def identity(*facts: str) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


def event(kind: EventKind, subject: str, data: dict[str, Any], *facts: str) -> DomainEvent:
    return DomainEvent(
        identity=identity(kind.value, "plant", *facts),
        kind=kind,
        subject=subject,
        at=AT,
        data=data,
    )


def test_source_is_where_the_api_of_the_instance_is() -> None:
    assert source_of("plant") == "/deviceUpdate/plant"
    assert source_of("a/b c") == "/deviceUpdate/a%2Fb%20c"


def test_update_is_told_where_the_api_has_it() -> None:
    assert update_recalled("plant", V2, "unsafe", AT) == event(
        EventKind.UPDATE_RECALLED,
        "updates/providers/acme/names/kiosk/versions/2.0",
        {"update": REFERENCE, "reason": "unsafe"},
        str(V2),
        AT,
    )


def test_import_is_told_with_its_operation() -> None:
    operation = replace(an_operation("op 1"), changed_at=AT)
    failure = Failure("CannotProcessImportManifest", "It is no manifest.")

    assert update_imported("plant", V2, operation) == event(
        EventKind.UPDATE_IMPORTED,
        "updates/providers/acme/names/kiosk/versions/2.0",
        {"update": REFERENCE, "operationId": "op 1"},
        "op 1",
        str(V2),
    )
    assert update_refused("plant", replace(operation, failure=failure)) == event(
        EventKind.UPDATE_REFUSED,
        "updates/operations/op%201",
        {
            "operationId": "op 1",
            "code": "CannotProcessImportManifest",
            "message": "It is no manifest.",
        },
        "op 1",
    )


def test_deployment_is_told_of_once() -> None:
    assert deployment_started("plant", ITEM, AT) == event(
        EventKind.DEPLOYMENT_STARTED, PLACE, {**ABOUT, "isRollback": False}, "w1"
    )
    undo = replace(ITEM, undoes="w0")
    assert deployment_started("plant", undo, AT).data["isRollback"] is undo.is_rollback


def test_end_of_a_deployment_counts_its_devices() -> None:
    counts = {
        DeviceState.SUCCEEDED: 1,
        DeviceState.FAILED: 2,
        DeviceState.CANCELED: 3,
        DeviceState.IN_PROGRESS: 4,
    }
    names = ("succeeded", "failed", "canceled", "superseded")

    found = deployment_finished("plant", ITEM, counts, AT)
    empty = deployment_finished("plant", ITEM, {}, AT)

    numbers = {f"{name}DeviceCount": count for count, name in enumerate(names, 1)}
    assert found == event(EventKind.DEPLOYMENT_FINISHED, PLACE, {**ABOUT, **numbers}, "w1")
    assert empty.data == {**ABOUT, **dict.fromkeys(numbers, 0)}


def test_deployment_is_cancelled_for_a_class() -> None:
    assert deployment_canceled("plant", ITEM, "c1", AT) == event(
        EventKind.DEPLOYMENT_CANCELED, PLACE, {**ABOUT, "deviceClassId": "c1"}, "w1", "c1"
    )


PHASES = (Phase(select=Select(percent=1), name="canary"), Phase(select=Select(percent=100)))
ROLLOUT = a_phased(phases=PHASES, given={"group_id": "lobby/1", "deployment_id": "roll 1"})


def made(**changes: Any) -> Transition:
    given: dict[str, Any] = {
        "at": AT,
        "actor": "anna",
        "step": Step.PAUSED,
        "revision": 3,
        "phase": 0,
        "before": Status.RUNNING,
        "after": Status.PAUSED,
        "code": ReasonCode.OPERATOR,
        "message": "lunch",
        "figures": {"asked": 4},
    }
    return Transition(**{**given, **changes})


def test_transition_of_a_roll_out_is_told_whole() -> None:
    assert rollout_changed("plant", ROLLOUT, made()) == event(
        EventKind.ROLLOUT_CHANGED,
        PLACE,
        {
            **ABOUT,
            "step": "Paused",
            "actor": "anna",
            "revision": 3,
            "status": "Paused",
            "previousStatus": "Running",
            "phase": 0,
            "phaseName": "canary",
            "code": "Operator",
            "message": "lunch",
            "figures": {"asked": 4},
        },
        "w1",
        "Paused",
        AT,
    )


def test_transition_leaves_out_what_there_is_not() -> None:
    bare = made(phase=-1, before=None, code=None, message="", figures={})

    found = rollout_changed("plant", ROLLOUT, bare)

    assert found is not None
    assert found.data.keys() == {*ABOUT, "step", "actor", "revision", "status"}
    second, beyond = (rollout_changed("plant", ROLLOUT, made(phase=each)) for each in (1, 2))
    assert second is not None
    assert beyond is not None
    assert (second.data["phase"], second.data["phaseName"]) == (1, "phase 2")
    assert beyond.data.keys().isdisjoint({"phase", "phaseName"})


def test_transition_of_no_roll_out_is_not_told() -> None:
    assert rollout_changed("plant", ITEM, made()) is None
    assert rollout_changed("plant", ROLLOUT, made(after=None)) is None


DONE, BROKEN = a_device(succeeded()), a_device(failed(erc=0x30101001))
DEVICE = {
    "deviceId": "d1",
    "groupId": "$default",
    "deviceClassId": kiosk_id(),
    "deploymentId": "deployment-w1",
    "update": REFERENCE,
    "retryCount": 0,
}


def test_device_has_succeeded() -> None:
    found = device_ended("plant", None, DONE)

    assert found == replace(
        event(
            EventKind.DEVICE_SUCCEEDED,
            "management/devices/d1",
            DEVICE,
            DONE.key,
            "Succeeded",
            ASKED.workflow_on_device,
            "",
            "",
        ),
        at=at_second(20),
    )


def test_device_has_failed_and_says_why() -> None:
    module = replace(
        BROKEN,
        module_id="m/1",
        deleted_at=at_second(1),
        commanded=replace(ASKED, refusal="The hub refused it.", refused_at=at_second(20)),
    )

    found = device_ended("plant", DONE, module)

    assert found is not None
    assert found.kind is EventKind.DEVICE_FAILED
    assert found.subject == "management/devices/d1/modules/m%2F1"
    assert found.at == at_second(20)
    assert found.identity == identity(
        EventKind.DEVICE_FAILED.value,
        "plant",
        module.key,
        "Failed",
        ASKED.workflow_on_device,
        "",
        at_second(1),
    )
    assert found.data["code"] == "30101001"
    assert found.data["message"].endswith("The hub refused it.")
    assert found.data["nextStep"]
    assert found.data["moduleId"] == "m/1"
    assert DEVICE.items() <= {**found.data, "retryCount": 0}.items()


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (None, DONE, True),
        (a_device(busy()), DONE, True),
        (BROKEN, DONE, True),
        (DONE, DONE, False),
        (DONE, a_device(busy()), False),
        (None, a_device(asked=None), False),
        (DONE, replace(DONE, deleted_at=at_second(3)), True),
    ],
)
def test_end_is_told_where_it_was_not_before(
    before: DeviceRecord | None, after: DeviceRecord, is_told: bool
) -> None:
    assert (device_ended("plant", before, after) is not None) is is_told
