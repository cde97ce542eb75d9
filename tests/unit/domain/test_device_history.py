from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.fleet.counters import History
from shared.domain.fleet.device import DeviceRecord, DeviceState
from shared.domain.fleet.device_history import (
    Installation,
    found_installed,
    of_history,
    present_installation,
)
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    a_record,
    at_second,
    failed,
    started,
    succeeded,
)


@pytest.mark.parametrize(
    ("ended_at", "shown"),
    [("", ""), (at_second(9), at_second(9)), (at_second(4), at_second(5))],
)
def test_nothing_ends_before_it_has_begun(ended_at: str, shown: str) -> None:
    commanded = replace(a_command(), at=at_second(5))
    past = History(
        device_id="d1",
        module_id=None,
        commanded=commanded,
        state=DeviceState.FAILED,
        result_code=0,
        extended_result_codes=(),
        ended_at=ended_at,
    )

    found = of_history(past)

    assert (found.started_at, found.ended_at) == (at_second(5), shown)


def test_what_was_asked_last_is_shown_as_it_stands() -> None:
    asked = replace(a_command(), at=at_second(2), retry_count=3)
    record = a_record(a_change(1, started()), a_change(4, failed(erc=7)), commanded=asked)

    assert present_installation(replace(record, commanded=None)) is None
    assert present_installation(record) == Installation(
        update_id=V2,
        state=DeviceState.FAILED,
        started_at=at_second(2),
        ended_at=at_second(4),
        identity="w1",
        deployment_id="deployment-w1",
        group_id="$default",
        result_code=0,
        extended_result_codes=(7,),
        retry_count=3,
    )


def test_newest_installation_sorts_first_and_one_always_alike() -> None:
    def at(second: int | None, identity: str = "w1") -> str:
        moment = at_second(second) if second is not None else ""
        return Installation(V1, DeviceState.SUCCEEDED, moment, "", identity).position

    assert at(5) < at(4) < at(None)
    assert at(5) == at(5) != at(5, "w2")
    assert at(5).partition("-")[0] == f"{10**14 - 1714521605000:014d}"
    assert len(at(None).partition("-")[2]) == 16


def reinstalled(*changes: object) -> DeviceRecord:
    return a_record(a_change(1, started()), *changes)  # type: ignore[arg-type]


def test_update_that_no_workflow_has_ended_with_was_found() -> None:
    """A device that is set up anew, or by hand, merely names what it has."""
    bare = reinstalled()
    agent = {"installedUpdateId": succeeded(V1)["deviceUpdate"]["agent"]["installedUpdateId"]}
    by_hand = reinstalled(a_change(3, {"deviceUpdate": {"agent": agent}}))
    by_workflow = reinstalled(a_change(3, succeeded(V1)))

    for before in (None, bare, reinstalled(a_change(2, succeeded(V2)))):
        assert found_installed(before, by_hand) == Installation(
            V1, DeviceState.SUCCEEDED, at_second(3), at_second(3), str(V1)
        )
    assert found_installed(by_hand, by_hand) is None
    assert found_installed(bare, bare) is None
    assert found_installed(bare, by_workflow) is None
