"""What people are told about a device and an update: every reason, its words and its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, TwinChange
from shared.domain.fleet.explain import Explanation, Facts, Verdict, explain
from shared.domain.fleet.twin_content import kept_content
from shared.domain.rollouts.progress import Progress, Status
from shared.domain.rollouts.specification import Rate
from shared.domain.updates.update import Recall
from shared.domain.updates.update_id import UpdateId
from tests.builders.decisions import (
    ASKED,
    NOW,
    STARTED,
    a_device,
    a_phased,
    canceled,
    kiosk_id,
)
from tests.builders.deployments import an_update
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_deployment,
    a_record,
    at_second,
    busy,
    failed,
    started,
    succeeded,
)

PLAIN = a_deployment("w1")
AT_NIGHT = "2024-05-02T01:00:00.000000+00:00"


def facts(record: DeviceRecord | None, *deployments: Deployment, **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "key": "d1",
        "record": record,
        "asked_for": V2,
        "update": an_update(compatibility=({"manufacturer": "acme", "model": "kiosk"},)),
        "deployments": deployments,
        "elsewhere": (),
        "now": NOW,
    }
    return Facts(**{**given, **changes})


def said(found: Explanation) -> list[tuple[str, str]]:
    return [(each.code, each.message) for each in found.reasons]


def codes(found: Explanation) -> list[str]:
    return [each.code for each in found.reasons]


def deciding(found: Explanation) -> str:
    (code,) = [each.code for each in found.reasons if each.decides]
    return code


def test_a_device_that_nobody_knows() -> None:
    found = explain(facts(None))

    assert (found.verdict, found.update_id) == (Verdict.WILL_NOT, V2)
    assert said(found) == [("DeviceUnknown", "The service knows no device 'd1'.")]
    assert found.reasons[0].decides
    assert codes(explain(facts(DeviceRecord("d1")))) == ["DeviceUnknown"]


def test_a_device_that_was_deleted() -> None:
    gone = replace(DeviceRecord("d1"), deleted_at=at_second(7))

    assert said(explain(facts(gone))) == [("DeviceDeleted", f"'d1' was deleted at {at_second(7)}.")]


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (None, ("UpdateUnknown", f"There is no update '{V2}'.")),
        (
            an_update(recall=Recall("bricks toasters", at_second(5))),
            ("UpdateRecalled", f"It was recalled at {at_second(5)}: bricks toasters"),
        ),
        (
            an_update(is_deployable=False),
            ("UpdateNotDeployable", "It only serves as a part of others."),
        ),
    ],
)
def test_an_update_that_cannot_be_deployed(update: Any, expected: tuple[str, str]) -> None:
    found = explain(facts(STARTED, update=update))

    assert said(found)[0] == expected
    assert (found.verdict, deciding(found)) == (Verdict.WILL_NOT, expected[0])


def test_a_device_of_no_class_yet() -> None:
    silent = a_record(a_change(1, {"deviceUpdate": {"__t": "c", "agent": {"state": 0}}}))

    assert codes(explain(facts(silent, PLAIN))) == ["NoAgent"]
    held = explain(facts(replace(STARTED, held_class=kiosk_id()), PLAIN))
    assert (codes(held), held.verdict) == (["ClassHeldBack"], Verdict.WAITS)


def test_an_update_that_is_installed_by_the_deployment() -> None:
    device = a_device(succeeded())

    found = explain(facts(device, PLAIN))

    assert found.verdict is Verdict.HAS
    assert said(found)[0] == (
        "Installed",
        "It is installed, by deployment 'deployment-w1' of group '$default', "
        f"since {at_second(20)}.",
    )
    assert found.reasons[0].data == {
        "update": str(V2),
        "deployment": "deployment-w1",
        "group": "$default",
        "at": at_second(20),
    }


def test_an_update_that_is_installed_by_nobody_known() -> None:
    device = a_record(a_change(1, started()), a_change(2, succeeded()))

    first = explain(facts(device, PLAIN)).reasons[0]

    assert first.message == "It is installed, by deployment '-' of group '-', since -."
    assert first.data == {"update": str(V2)}


def test_an_update_that_was_installed_and_is_no_more() -> None:
    device = a_device(succeeded(), succeeded(V1, workflow_id="w0"))

    found = explain(facts(device, PLAIN))

    assert said(found)[0] == (
        "Reverted",
        f"It was installed at {at_second(20)}, but now the device reports '{V1}': it has probably "
        "gone back by itself.",
    )
    assert found.verdict is Verdict.WILL_NOT


@pytest.mark.parametrize(
    ("installed", "is_told"),
    [
        (UpdateId("acme", "kiosk", "3.0"), True),
        (UpdateId("acme", "kiosk", "2.0"), False),
        (UpdateId("acme", "kiosk", "1.0"), False),
        (UpdateId("acme", "gate", "3.0"), False),
        (UpdateId("other", "kiosk", "3.0"), False),
    ],
)
def test_a_newer_version_of_the_same_update(installed: UpdateId, is_told: bool) -> None:
    device = a_record(a_change(1, started()), a_change(2, succeeded(installed, workflow_id="w0")))

    told = [each for each in explain(facts(device)).reasons if each.code == "NewerInstalled"]

    assert [each.message for each in told] == (
        ["Version 3.0 of the same update is installed."] if is_told else []
    )
    assert not any(each.decides for each in told)


def test_an_update_for_other_devices_names_what_is_nearest() -> None:
    sets = ({"manufacturer": "other", "model": "gate"}, {"manufacturer": "acme", "model": "gate"})

    found = explain(facts(STARTED, PLAIN, update=an_update(compatibility=sets)))

    (told,) = [each for each in found.reasons if each.code == "NotCompatible"]
    assert told.message == (
        "No compatibility set of the update fits; the nearest asks model = 'gate', the device has "
        "'kiosk'."
    )
    assert (told.data, told.decides) == (
        {"property": "model", "wants": "gate", "has": "kiosk"},
        True,
    )


def test_a_property_that_the_device_lacks_is_a_dash() -> None:
    update = an_update(compatibility=({"manufacturer": "acme", "colour": "red"},))

    (told,) = [
        e for e in explain(facts(STARTED, update=update)).reasons if e.code == "NotCompatible"
    ]

    assert "asks colour = 'red', the device has '-'." in told.message


def test_an_update_that_nobody_deploys_here() -> None:
    assert deciding(explain(facts(STARTED))) == "NoDeployment"
    found = explain(facts(STARTED, elsewhere=("lobby", "annex")))
    assert said(found) == [
        ("NotInGroup", "It is deployed to 'annex', 'lobby'; the device is in '$default'.")
    ]
    assert codes(explain(facts(STARTED, asked_for=None))) == ["NoDeployment"]
    assert explain(facts(STARTED, asked_for=None)).update_id is None


def test_a_device_that_is_due() -> None:
    found = explain(facts(STARTED, PLAIN))

    assert found.verdict is Verdict.WILL_GET
    assert said(found) == [("Queued", "It is due by 'deployment-w1'; the command is on its way.")]
    # the last decision is about it, where nobody says what is asked about
    whatever = explain(facts(STARTED, PLAIN, asked_for=None, update=None))
    assert (whatever.update_id, codes(whatever)) == (V2, ["Queued"])


def of_progress(deployment: Deployment, allowed: int) -> Deployment:
    assert deployment.progress is not None
    given = {"status": Status.RUNNING, "opened": deployment.progress.opened}
    return replace(deployment, progress=Progress(**given, allow_asks={3: allowed}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("used", "capped", "rated"), [(2, "NoRoom", "RateLimited"), (1, "Queued", "Queued")]
)
def test_a_device_that_is_due_where_others_go_first(used: int, capped: str, rated: str) -> None:
    more = {"bucket": 3, "used": {"w1": (used, 0)}}
    by_cap = explain(facts(STARTED, of_progress(a_phased(maximum_in_flight=9), 2), **more))
    by_rate = explain(facts(STARTED, of_progress(a_phased(rate=Rate(per_minute=7)), 2), **more))

    assert (deciding(by_cap), deciding(by_rate)) == (capped, rated)
    assert by_cap.verdict is by_rate.verdict is Verdict.WILL_GET
    elsewhere = {"bucket": 4, "used": {}}
    none = explain(facts(STARTED, of_progress(a_phased(maximum_in_flight=9), 2), **elsewhere))
    assert said(none)[-1] == (
        "NoRoom",
        "9 devices are asked at a time; it is asked once others have ended.",
    )
    slow = explain(facts(STARTED, of_progress(a_phased(rate=Rate(per_minute=7)), 2), **elsewhere))
    assert said(slow)[-1] == ("RateLimited", "7 devices are asked a minute; its turn comes.")
    free = explain(facts(STARTED, of_progress(a_phased(), 0), **elsewhere))
    assert deciding(free) == "Queued"


@pytest.mark.parametrize(
    ("newer", "why"),
    [
        (a_deployment("w2", starts_at=at_second(5)), "it is newer"),
        (a_phased("w2", priority=900), "it is of higher priority"),
        (a_deployment("w2", is_own=True), "it is the device's own"),
    ],
)
def test_a_deployment_that_another_comes_before(newer: Deployment, why: str) -> None:
    other = replace(newer, update_id=V1)
    record = replace(STARTED, own=(other,)) if other.is_own else STARTED
    group = () if other.is_own else (other,)

    found = explain(facts(record, PLAIN, *group))

    assert said(found) == [
        (
            "Superseded",
            f"'deployment-w2', which deploys {V1}, comes before 'deployment-w1': {why}.",
        )
    ]
    assert found.verdict is Verdict.WILL_NOT


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"updateWindow": "whenever"}, ["UnreadableWindow"]),
        ({"timeZone": "Mars/Olympus"}, ["UnknownZone"]),
        ({"timeZone": "Europe/Berlin"}, []),
        ({}, []),
    ],
)
def test_what_the_device_says_and_nobody_can_read(
    tags: dict[str, str], expected: list[str]
) -> None:
    twin = {"tags": tags, "properties": {"reported": started()}}
    device = a_record(TwinChange("d1", None, 1, kept_content(twin), is_whole=True, at=at_second(1)))

    found = explain(facts(device, PLAIN))

    assert codes(found) == [*expected, "Queued"]
    assert found.verdict is Verdict.WILL_GET
    if expected == ["UnknownZone"]:
        assert "'Mars/Olympus'" in found.reasons[0].message


def test_a_failure_of_something_else_is_being_looked_into() -> None:
    found = explain(facts(a_device(failed("w0")), PLAIN))

    assert "Unexplained" in codes(found)
    assert not any(each.decides for each in found.reasons if each.code == "Unexplained")


def test_what_was_seen_of_the_device_alone_is_told_with_its_deployment() -> None:
    asked = canceled(replace(ASKED, workflow_id="w0", update_id=V1), at_second(90))
    device = a_device(busy("w0"), asked=asked)

    found = explain(facts(device, PLAIN))

    assert (deciding(found), found.verdict) == ("WorksOnAnother", Verdict.WAITS)


def test_the_update_at_hand_is_the_last_one_where_nothing_is_to_come() -> None:
    installed = a_record(a_change(1, started()), a_change(2, succeeded(V1, workflow_id="w0")))

    assert explain(facts(installed, asked_for=None, update=None)).update_id == V1
    asked = a_device()
    assert explain(facts(asked, asked_for=None, update=None)).update_id == V2
    newer = a_deployment("w2", starts_at="2030-01-01T00:00:00.000000+00:00", update_id=V1)
    assert explain(facts(STARTED, newer, asked_for=None, update=None)).update_id == V1
