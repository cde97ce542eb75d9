"""How a roll-out stands, as clients read it."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from shared.domain.rollouts.figures import Figures
from shared.domain.rollouts.progress import Opened, Progress, Status
from shared.domain.rollouts.specification import Gate, Phase, Rollout, Select
from shared.domain.rollouts.view import rollout_view
from shared.http.wire.rollouts import rollout
from shared.services.reporting.rollouts import Seen
from tests.unit.domain.builders import a_deployment

AT = "2026-03-02T08:00:00.000000+00:00"


def test_every_phase_has_its_name_and_status_and_the_open_one_what_it_waits_for() -> None:
    gate = Gate(minimum_sample=5)
    given = Rollout(
        phases=(
            Phase(select=Select(percent=10), gate=gate, name="canary"),
            Phase(select=Select(percent=100)),
        )
    )
    progress = Progress(status=Status.RUNNING, opened=(Opened(at=AT, covered_at=AT),))
    view = rollout_view(given, progress, {"a": {"0": Figures(succeeded=3, asked=4)}}, AT)

    item = replace(a_deployment("w1"), rollout=given, progress=progress)
    shown = msgspec.to_builtins(rollout(item, Seen(view, None)))["state"]

    assert [(each["name"], each["status"]) for each in shown["phases"]] == [
        ("canary", "Open"),
        ("phase 2", "Waiting"),
    ]
    assert shown["waitsFor"] == "needs 5 answers, has 3"
