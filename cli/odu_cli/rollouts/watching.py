"""The live view of a roll-out: a bar for each phase, pace, failure budget and likely end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.output import moment, plain
from odu_cli.rest import deployment_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from odu_cli.command import Session
    from odu_cli.output import Output

_POLL_SECONDS = 0.5
_STOPPED = ("Paused", "Aborted", "RolledBack", "Rejected", "Ended")
_WORDS = {
    "succeeded": "succeeded",
    "failed": "failed",
    "reverted": "went back",
    "stuck": "stuck",
    "open": "open",
    "silent": "silent",
    "withdrawn": "withdrawn",
    "canceled": "cancelled",
    "alreadyInstalled": "had it",
}

Json = Mapping[str, Any]


async def follow_rollout(session: Session, group: str, deployment: str) -> Json:
    """Show a roll-out until it is complete or has stopped; how it stands then."""
    address = deployment_path(group, deployment)
    _, plan = await session.rest.request("POST", f"{address}:plan")
    sizes = {phase["name"]: phase["devices"]["expected"] for phase in plan["phases"]}
    with _view(session.output, sizes) as show:
        while True:
            found: Json = await session.rest.get(address)
            state = found["rollout"]["state"]
            show(state)
            if state["status"] == "Completed" or state["status"] in _STOPPED:
                return found
            await asyncio.sleep(_POLL_SECONDS)


def judge_rollout(found: Json) -> None:
    """Check how a roll-out that was followed has ended.

    Raises:
        Refused: It has stopped before its end.
    """
    state = found["rollout"]["state"]
    if state["status"] == "Completed":
        return
    reason = state.get("reason") or {}
    sentence = f"deployment {found['deploymentId']} is {state['status']}"
    if reason.get("message"):
        sentence += f": {reason['message']}"
    raise Refused(ExitCode.FAILED, sentence, error=reason or None, document=dict(found))


def summary(state: Json, earlier: Json | None = None) -> str:
    """One line: status, pace since an earlier look, failure budget and likely end.

    Args:
        state: How the roll-out stands.
        earlier: How it stood before.
    """
    parts = [state["status"]]
    if "phase" in state:
        name, number = state["phases"][state["phase"]]["name"], f"phase {state['phase'] + 1}"
        where = f"{number} of {len(state['phases'])}"
        parts.append(where if name == number else f"{where}, {name}")
    if state["inFlight"]:
        parts.append(f"{state['inFlight']} open")
    pace = _pace(state, earlier)
    if pace is not None:
        parts.append(f"{pace:.0f} asked a minute")
    left = state["failureBudget"].get("left")
    if left is not None:
        parts.append(f"{left or 'no'} more may fail")
    if state.get("estimatedEnd"):
        parts.append(f"ends about {moment(state['estimatedEnd'])}")
    return " · ".join(plain(part) for part in parts)


def waiting(state: Json) -> str | None:
    """Why it has stopped, or what its open phase waits for."""
    if state.get("reason"):
        return plain(state["reason"]["message"])
    return plain(f"the phase {state['waitsFor']}") if state.get("waitsFor") else None


def figures(phase: Json) -> str:
    """What became of the devices of a phase, in words."""
    words = [f"{phase[name]} {word}" for name, word in _WORDS.items() if phase[name]]
    return ", ".join(words) or "waiting"


def _pace(state: Json, earlier: Json | None) -> float | None:
    if earlier is None or state["asOf"] == earlier["asOf"]:
        return None
    asked = sum(one["asked"] for one in state["phases"]) - sum(
        one["asked"] for one in earlier["phases"]
    )
    passed = datetime.fromisoformat(state["asOf"]) - datetime.fromisoformat(earlier["asOf"])
    return float(max(0, asked)) * 60 / max(0.001, passed.total_seconds())


@contextmanager
def _view(output: Output, sizes: Mapping[str, int]) -> Iterator[Callable[[Json], None]]:
    if output.is_json:
        yield lambda state: None
    elif not output.progress.is_terminal:
        yield _lines(output)
    else:
        with drawn(output, sizes) as show:
            yield show


def _lines(output: Output) -> Callable[[Json], None]:
    """A line for each change, where there is no terminal to draw on."""
    seen: set[str] = set()

    def show(state: Json) -> None:
        phases = [
            f"{phase['name']}: {figures(phase)}" for phase in state["phases"] if phase["asked"]
        ]
        line = "; ".join([state["status"], *phases])
        if line not in seen:
            seen.add(line)
            output.note(line)

    return show


@contextmanager
def drawn(output: Output, sizes: Mapping[str, int]) -> Iterator[Callable[[Json], None]]:
    """Draw a roll-out on a terminal each time it is looked at.

    Args:
        output: Of the command.
        sizes: Devices that each phase is expected to have; those that are over need none.
    """
    bars = Progress(
        TextColumn("{task.fields[mark]} {task.description}", markup=False),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True), markup=False),
        console=output.progress,
    )
    tasks: dict[str, TaskID] = {}
    marks = {"Waiting": " ", "Open": "▸", "Passed": "✓"}
    line, seen = Text(), list[Json]()
    with Live(Group(bars, line), console=output.progress, refresh_per_second=4):

        def show(state: Json) -> None:
            for phase in state["phases"]:
                if phase["name"] not in tasks:
                    tasks[phase["name"]] = bars.add_task(phase["name"], mark=" ", figures="")
                ended = phase["asked"] - phase["open"]
                is_over = phase["status"] == "Passed"
                expected = 0 if is_over else sizes.get(phase["name"], 0)
                bars.update(
                    tasks[phase["name"]],
                    completed=ended if phase["asked"] or not is_over else 1,
                    total=max(1, expected, phase["asked"]),
                    mark=marks[phase["status"]],
                    figures=f"{phase['asked']} asked, {figures(phase)}" if phase["asked"] else "",
                )
            earlier = seen[0] if len(seen) > 1 else None
            line.plain = "\n".join(filter(None, [summary(state, earlier), waiting(state)]))
            if not seen or seen[-1]["asOf"] != state["asOf"]:
                seen.append(state)
                del seen[:-20]

        yield show
