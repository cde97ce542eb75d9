"""Roll-outs on the command line: options, actions, plans, history and the live view."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import typer
from rich.console import Console

from odu_cli.output import Output
from odu_cli.rollouts.options import OnFailure, RolloutOptions, duration, percent
from odu_cli.rollouts.watching import drawn, figures, summary
from shared.domain.rollouts.specification import Rollout
from tests.unit.cli.service import Answer, an_error

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Odu
    from tests.unit.cli.service import Service

ONE = "management/groups/pilot/deployments/d1"
WHERE = ("-g", "pilot")


def a_phase(name: str, status: str = "Waiting", **figures_: int) -> dict[str, Any]:
    names = [
        "asked",
        "succeeded",
        "failed",
        "open",
        "silent",
        "stuck",
        "reverted",
        "withdrawn",
        "canceled",
        "alreadyInstalled",
    ]
    return {**dict.fromkeys(names, 0), "name": name, "status": status, **figures_}


def a_deployment(status: str = "Running", **state: Any) -> dict[str, Any]:
    made = {
        "status": status,
        "since": "2027-01-01T00:00:00Z",
        "phase": 0,
        "phases": [a_phase("canary", "Open", asked=5, succeeded=4, open=1), a_phase("all")],
        "inFlight": 1,
        "failureBudget": {"left": 4},
        "asOf": "2027-01-01T00:00:00Z",
    }
    return {
        "deploymentId": "d1",
        "groupId": "pilot",
        "startDateTime": "2027-01-01T00:00:00Z",
        "update": {"updateId": {"provider": "contoso", "name": "t", "version": "1.1"}},
        "revision": 3,
        "rollout": {"phases": [], "state": {**made, **state}},
    }


PLAN = {
    "update": {"updateId": {"provider": "contoso", "name": "t", "version": "1.1"}},
    "targetedDevices": 100,
    "needsApproval": False,
    "asOf": "2027-01-01T00:00:00Z",
    "phases": [
        {
            "name": name,
            "devices": {"expected": count, "least": count, "most": count},
            "asking": "PT1M",
            "bake": "PT0S",
            "waitsForPerson": False,
        }
        for name, count in (("canary", 5), ("all", 95))
    ],
    "notTargeted": [],
    "warnings": [{"code": "SampleLargerThanPhase", "message": "Phase 'canary' is small."}],
}


def test_options_say_what_the_api_has() -> None:
    options = RolloutOptions(
        phases="lab=class:c1,first=20,1%,rest=100%",
        bake="12h",
        success="98%",
        pause_above="3%",
        failures=40,
        on_failure=OnFailure.ROLLBACK,
        at_a_time=500,
        rate=30,
        window=["0 1 * * mon-fri for 4h in Europe/Berlin", "*/15 1 * * * for 1d"],
        leave_on_close=True,
        silent_after="2d",
        stuck_after="6h",
        approval=True,
        manual=True,
    )

    made = options.document()

    gate = {"bakeTime": "PT12H", "successPercent": 98, "advance": "Manual"}
    assert made == {
        "phases": [
            {"name": "lab", "select": {"classId": "c1"}, "gate": gate},
            {"name": "first", "select": {"count": 20}, "gate": gate},
            {"select": {"percent": 1}, "gate": gate},
            {"name": "rest", "select": {"percent": 100}, "gate": gate},
        ],
        "failure": {"percent": 3, "count": 40, "action": "Rollback"},
        "maximumInFlight": 500,
        "rate": {"perMinute": 30},
        "windows": [
            {"cron": "0 1 * * mon-fri", "duration": "PT4H", "zone": "Europe/Berlin"},
            {"cron": "*/15 1 * * *", "duration": "P1D"},
        ],
        "onClose": "Leave",
        "deadlines": {"start": "P2D", "progress": "PT6H"},
        "approval": "Required",
    }
    msgspec.convert(made, Rollout)


def test_nothing_said_is_a_deployment_to_everybody_at_once() -> None:
    assert RolloutOptions().document() is None


def test_a_file_may_say_it_all_and_options_go_before(tmp_path: Path) -> None:
    file = tmp_path / "rollout.json"
    state = {"status": "Running"}
    phases = [{"select": {"percent": 100}, "gate": {"minimumSample": 3}}]
    file.write_text(json.dumps({"phases": phases, "priority": 1, "state": state}))

    made = RolloutOptions(rollout=file, priority=7, bake="1d").document()

    assert made == {
        "phases": [{"select": {"percent": 100}, "gate": {"minimumSample": 3, "bakeTime": "P1D"}}],
        "priority": 7,
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("90s", "PT90S"), ("1d12h", "P1DT12H"), ("2w", "P2W"), ("PT5M", "PT5M"), ("1H", "PT1H")],
)
def test_a_time_is_written_short(text: str, wanted: str) -> None:
    assert duration(text) == wanted


@pytest.mark.parametrize(
    "options",
    [
        {"phases": "ten"},
        {"phases": "1%", "bake": "soon"},
        {"phases": "1%", "bake": ""},
        {"phases": "x%"},
        {"phases": "1%", "window": ["at night"]},
        {"phases": "1%", "silent_after": "late"},
        {"bake": "1h"},
    ],
)
def test_a_word_written_otherwise_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(typer.BadParameter):
        RolloutOptions(**options).document()


def test_a_percentage_may_have_its_sign() -> None:
    assert (percent("0.5%"), percent("3"), percent(None)) == (0.5, 3, None)


async def test_create_sends_the_roll_out(odu: Odu, service: Service) -> None:
    service.on("PUT", ONE, Answer(body={}))
    service.on("GET", ONE, Answer(body={"deploymentId": "d1"}))

    phases = ("--phases", "1%,100%", "--bake", "12h", "--pause-above", "3%")
    update = ("--update", "contoso/t/1.1", "--id", "d1", *WHERE, "--json")
    ended = await odu("deployment", "create", *update, *phases)

    assert ended.code == 0
    (sent,) = service.asked_for("PUT", ONE)
    assert sent.body["rollout"]["failure"] == {"percent": 3}
    assert [phase["select"] for phase in sent.body["rollout"]["phases"]] == [
        {"percent": 1},
        {"percent": 100},
    ]


@pytest.mark.parametrize(
    ("arguments", "action", "body"),
    [
        (
            ("pause", "--reason", "odd", "--withdraw"),
            "pause",
            {"reason": "odd", "withdraw": True},
        ),
        (("resume",), "resume", {}),
        (("resume", "--revision", "4"), "resume", {"revision": 4}),
        (("advance",), "advance", {"phase": 1}),
        (("advance", "--phase", "all"), "advance", {"phase": 1}),
        (("advance", "--phase", "1"), "advance", {"phase": 0}),
        (("abort", "--yes", "--reason", "bad"), "abort", {"reason": "bad"}),
        (("approve", "--remark", "fine"), "approve", {"revision": 3, "remark": "fine"}),
        (("reject", "--revision", "2"), "reject", {"revision": 2, "remark": ""}),
    ],
)
async def test_an_action_is_sent(
    odu: Odu, service: Service, arguments: tuple[str, ...], action: str, body: dict[str, Any]
) -> None:
    service.on("GET", ONE, Answer(body=a_deployment()))
    service.on("POST", f"{ONE}:{action}", Answer(body={"deploymentId": "d1"}))

    ended = await odu("deployment", arguments[0], "d1", *WHERE, "--json", *arguments[1:])

    assert (ended.code, ended.document) == (0, {"deploymentId": "d1"})
    (sent,) = service.asked_for("POST", f"{ONE}:{action}")
    assert sent.body == body


async def test_a_refused_action_says_why(odu: Odu, service: Service) -> None:
    refused = an_error("ApproverIsEditor", "Somebody else has to approve.")
    service.on("GET", ONE, Answer(body=a_deployment()))
    service.on("POST", f"{ONE}:approve", Answer(403, refused))

    ended = await odu("deployment", "approve", "d1", *WHERE)

    assert ended.code == 12
    assert "Somebody else has to approve." in ended.stderr


async def test_a_plan_shows_phases_and_warnings(odu: Odu, service: Service) -> None:
    service.on("POST", f"{ONE}:plan", Answer(body=PLAN))

    ended = await odu("deployment", "plan", "d1", *WHERE)

    assert ended.code == 0
    assert "canary" in ended.stdout
    assert "SampleLargerThanPhase" in ended.stdout


async def test_a_plan_of_one_not_stored_sends_it(odu: Odu, service: Service) -> None:
    address = "management/groups/pilot/deployments/planned:plan"
    service.on("POST", address, Answer(body=PLAN))

    update = ("--update", "contoso/t/1.1", "--phases", "5,100%", "--json")
    ended = await odu("deployment", "plan", *WHERE, *update)

    assert (ended.code, ended.document) == (0, PLAN)
    (sent,) = service.asked_for("POST", address)
    assert sent.body["deploymentId"] == "planned"
    assert sent.body["rollout"]["phases"][0] == {"select": {"count": 5}}


async def test_history_shows_who_and_why(odu: Odu, service: Service) -> None:
    row = {
        "at": "2027-01-01T00:00:00Z",
        "actor": "service",
        "step": "Paused",
        "revision": 2,
        "status": "Paused",
        "phase": 0,
        "message": "7 of 120 failed",
        "figures": {"failed": 7},
    }
    service.on("GET", f"{ONE}/history", Answer(body={"value": [row]}))

    ended = await odu("deployment", "history", "d1", *WHERE)

    assert ended.code == 0
    for word in ("Paused", "service", "7 of 120 failed", "7 failed"):
        assert word in ended.stdout


async def test_a_watched_roll_out_ends_with_it(odu: Odu, service: Service) -> None:
    complete = a_deployment("Completed")
    service.on("POST", f"{ONE}:plan", Answer(body=PLAN))
    service.on(
        "GET", ONE, Answer(body=a_deployment()), Answer(body=a_deployment()), Answer(body=complete)
    )

    ended = await odu("deployment", "status", "d1", *WHERE, "--watch", "--json")

    assert (ended.code, ended.document) == (0, complete)


async def test_a_watched_roll_out_that_stops_says_why(odu: Odu, service: Service) -> None:
    why = {"code": "FailurePercent", "message": "7 of 120 devices failed."}
    service.on("POST", f"{ONE}:plan", Answer(body=PLAN))
    service.on(
        "GET", ONE, Answer(body=a_deployment()), Answer(body=a_deployment("Paused", reason=why))
    )

    ended = await odu("deployment", "status", "d1", *WHERE, "--watch")

    assert ended.code == 16
    assert "is Paused: 7 of 120 devices failed." in ended.stderr
    assert "canary: 4 succeeded, 1 open" in ended.stderr


def test_the_line_below_the_bars_says_where_it_stands() -> None:
    earlier = a_deployment(asOf="2027-01-01T00:00:00+00:00")["rollout"]["state"]
    phases = [a_phase("canary", "Passed", asked=35), a_phase("all", "Open")]
    later = a_deployment(
        asOf="2027-01-01T00:01:00+00:00", phases=phases, phase=1, estimatedEnd="2027-01-01T02:00:00"
    )["rollout"]["state"]

    assert summary(later, earlier) == (
        "Running · phase 2 of 2, all · 1 open · 30 asked a minute · 4 more may fail · "
        "ends about 2027-01-01 02:00:00Z"
    )
    assert figures(phases[1]) == "waiting"


@pytest.mark.parametrize(
    ("arguments", "address", "body"),
    [
        (("cancel", "t/m", "d1"), "modules/m/deployments/d1:cancel", {"reason": ""}),
        (("retry", "t", "d1", "--reason", "x"), "deployments/d1:retry", {"reason": "x"}),
        (("exclude", "t"), "deployments/*:exclude", {"reason": ""}),
        (("include", "t", "d1"), "deployments/d1:include", {"reason": ""}),
    ],
)
async def test_an_order_for_one_device_is_sent(
    odu: Odu, service: Service, arguments: tuple[str, ...], address: str, body: dict[str, Any]
) -> None:
    where = f"management/devices/t/{address}"
    service.on("POST", where, Answer(body={"orders": []}))

    ended = await odu("device", *arguments, "--group", "north", "--json")

    assert (ended.code, ended.document) == (0, {"orders": []})
    (sent,) = service.asked_for("POST", where)
    assert (sent.body, sent.query) == (body, {"groupId": "north"})


async def test_a_deployment_of_one_device_is_sent(odu: Odu, service: Service) -> None:
    where = "management/devices/t/deployments/mine"
    service.on("PUT", where, Answer(body={"deploymentId": "mine"}))

    ended = await odu("device", "deploy", "t", "contoso/t/1.1", "--id", "mine", "--json")

    assert (ended.code, ended.document) == (0, {"deploymentId": "mine"})
    (sent,) = service.asked_for("PUT", where)
    update = {"provider": "contoso", "name": "t", "version": "1.1"}
    assert sent.body == {"update": {"updateId": update}}


async def test_an_explanation_marks_what_decides(odu: Odu, service: Service) -> None:
    reasons = [
        {"code": "NewerInstalled", "message": "Version 2.0 is installed."},
        {"code": "Paused", "message": "'d1' is paused.", "decides": True},
    ]
    found = {"verdict": "Waits", "reasons": reasons, "asOf": "2027-01-01T00:00:00Z"}
    where = "management/devices/t/updates/providers/contoso/names/t/versions/1.1:explain"
    service.on("GET", where, Answer(body=found))
    service.on("GET", "management/devices/t/updates:explain", Answer(body=found))

    ended = await odu("device", "explain", "t", "contoso/t/1.1")
    whatever = await odu("device", "explain", "t", "--json")

    assert ended.code == 0
    assert "Waits" in ended.stdout
    (line,) = [each for each in ended.stdout.splitlines() if "▸" in each]
    assert "Paused" in line
    assert whatever.document == found


def test_a_roll_out_is_drawn_from_any_of_its_phases_on() -> None:
    output, screen = Output(is_json=False), io.StringIO()
    output.progress = Console(file=screen, force_terminal=True, width=120)
    passed = a_phase("canary", "Passed", asked=4, succeeded=4)
    state = {
        **a_deployment()["rollout"]["state"],
        "phase": 1,
        "phases": [passed, a_phase("all", "Open", asked=10, open=10)],
        "waitsFor": "needs 10 answers, has 0",
    }

    with drawn(output, {"all": 95}) as show:  # a plan leaves out phases that are over
        show(state)

    assert "4 asked, 4 succeeded" in screen.getvalue()
    assert "the phase needs 10 answers, has 0" in screen.getvalue()
