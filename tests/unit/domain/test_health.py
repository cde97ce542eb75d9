from __future__ import annotations

from dataclasses import replace

from shared.domain.fleet.device import DeviceRecord, fold_connection
from shared.domain.fleet.health import HEALTHY, UNHEALTHY, health_of
from shared.domain.fleet.twin_content import kept_content
from tests.unit.domain.builders import a_change, a_command, a_record, failed, started, succeeded


def _failing(record: DeviceRecord) -> list[str]:
    health = health_of(record)
    assert health is not None
    assert (health.state == UNHEALTHY) == (not all(item.is_passed for item in health.checks))
    return [item.name for item in health.checks if not item.is_passed]


def _connection(record: DeviceRecord, *, is_connected: bool, number: str) -> DeviceRecord:
    return fold_connection(record, is_connected=is_connected, sequence_number=number)


def test_device_is_healthy_when_all_that_is_known_of_it_is_well() -> None:
    record = a_record(a_change(1, started()))

    health = health_of(record)

    assert health is not None
    assert health.state == HEALTHY
    assert health.model_id is None
    assert "connected" not in {item.name for item in health.checks}


def test_the_digital_twin_model_is_that_of_the_twin_and_not_the_contract_model() -> None:
    model = "dtmi:azure:iot:deviceUpdateModel;3"
    twin = {"modelId": model, "properties": {"reported": started()}}
    whole = replace(a_change(5, is_whole=True), content=kept_content(twin))

    for record in (a_record(whole), a_record(a_change(1, started()), whole, a_change(6, failed()))):
        health = health_of(record)
        assert health is not None
        assert health.model_id == model
    gone = a_record(whole, replace(whole, version=7, content=kept_content({**twin, "modelId": ""})))
    health = health_of(gone)
    assert health is not None
    assert health.model_id is None


def test_nothing_is_said_of_what_has_no_agent() -> None:
    assert health_of(DeviceRecord("d1")) is None
    assert health_of(a_record(a_change(1, group="pilot"))) is None


def test_connection_counts_once_the_hub_has_told_of_it() -> None:
    record = a_record(a_change(1, started()))
    there = _connection(record, is_connected=True, number="01")
    gone = _connection(there, is_connected=False, number="02")

    assert _failing(there) == []
    assert _failing(gone) == ["connected"]


def test_device_without_class_or_model_is_unhealthy() -> None:
    nameless = {"deviceUpdate": {"agent": {"deviceProperties": {"manufacturer": "acme"}}}}

    assert _failing(a_record(a_change(1, nameless))) == [
        "contract model known",
        "device class known",
    ]


def test_last_deployment_decides_and_no_earlier_one() -> None:
    record = a_record(a_change(1, started()), a_change(2, failed()), commanded=a_command())

    assert _failing(record) == ["last deployment not failed"]
    later = replace(
        a_record(
            a_change(1, started()), a_change(2, failed()), a_change(3, succeeded(workflow_id="w2"))
        ),
        commanded=a_command("w2"),
    )
    assert _failing(later) == []
