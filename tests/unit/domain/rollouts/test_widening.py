"""Which edits of an approved roll-out need approval again: a table of every member, both ways."""

from typing import Any

import pytest

from shared.domain.rollouts.edit import widens
from shared.domain.rollouts.specification import Rollout
from tests.builders.edit import a_rollout

WINDOWS = [{"cron": "0 1 * * *", "duration": "PT1H"}]
OTHERS = [{"cron": "0 2 * * *", "duration": "PT1H"}]


def one_phase(**members: Any) -> dict[str, Any]:
    return {"phases": [{"select": {"percent": 10}, **members}]}


def gate(**members: Any) -> dict[str, Any]:
    return one_phase(gate=members)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (one_phase(select={"percent": 20}), one_phase(select={"percent": 10})),
        (one_phase(select={"count": 3}), one_phase(select={"count": 2})),
        (one_phase(ifEmpty="Continue"), one_phase(ifEmpty="Pause")),
        (gate(successPercent=90), gate(successPercent=91)),
        (gate(minimumSample=5), gate(minimumSample=6)),
        (gate(answeredPercent=40), gate(answeredPercent=41)),
        (gate(bakeTime="PT1H"), gate(bakeTime="PT2H")),
        (gate(advance="Auto"), gate(advance="Manual")),
        (gate(maximumWait="PT2H"), gate(maximumWait="PT1H")),
        (gate(), gate(maximumWait="P999D")),
        ({"failure": {"percent": 6}}, {"failure": {"percent": 5}}),
        ({"failure": {"minimumSample": 20}}, {"failure": {"minimumSample": 10}}),
        ({"failure": {"count": 4}}, {"failure": {"count": 3}}),
        ({}, {"failure": {"count": 3}}),
        ({"maximumInFlight": 4}, {"maximumInFlight": 3}),
        ({}, {"maximumInFlight": 3}),
        ({"rate": {"perMinute": 4}}, {"rate": {"perMinute": 3}}),
        ({}, {"rate": {"perMinute": 3}}),
        ({"priority": 500}, {"priority": 499}),
        ({}, {"windows": WINDOWS}),
        ({"onClose": "Leave"}, {"onClose": "Withdraw"}),
        ({"ignoreDeviceWindow": True}, {"ignoreDeviceWindow": False}),
        ({"deadlines": {"start": "P2D"}}, {"deadlines": {"start": "P1D"}}),
        ({"deadlines": {"progress": "P2D"}}, {"deadlines": {"progress": "P1D"}}),
        ({"deadlines": {"countAsFailure": False}}, {"deadlines": {"countAsFailure": True}}),
        ({"approval": "None"}, {"approval": "Required"}),
        ({"endDateTime": "2028-01-01T00:00:00Z"}, {"endDateTime": "2027-01-01T00:00:00Z"}),
        ({}, {"endDateTime": "2027-01-01T00:00:00Z"}),
        (
            {"phases": [{"select": {"percent": 1}}, {"select": {"percent": 2}}]},
            {"phases": [{"select": {"percent": 1}}]},
        ),
    ],
)
def test_of_two_values_one_is_wider(wide: dict[str, Any], narrow: dict[str, Any]) -> None:
    one, other = a_rollout(**wide), a_rollout(**narrow)

    assert widens(other, one)
    assert not widens(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (one_phase(select={"percent": 1}), one_phase(select={"count": 1})),
        (one_phase(select={"classId": "a"}), one_phase(select={"classId": "b"})),
        ({"failure": {"action": "Pause"}}, {"failure": {"action": "Abort"}}),
        ({"windows": WINDOWS}, {"windows": OTHERS}),
    ],
)
def test_what_cannot_be_compared_widens_both_ways(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert widens(a_rollout(**one), a_rollout(**other))
    assert widens(a_rollout(**other), a_rollout(**one))


@pytest.mark.parametrize(
    "rollout",
    [
        a_rollout(**one_phase(select={"classId": "a"}, ifEmpty="Continue")),
        a_rollout(**gate(advance="Manual", maximumWait="PT2H")),
        a_rollout(onClose="Leave", windows=WINDOWS, ignoreDeviceWindow=True),
    ],
)
def test_what_stays_does_not_widen(rollout: Rollout) -> None:
    assert not widens(rollout, rollout)
