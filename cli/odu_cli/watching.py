"""Following what takes a while: operations and deployments, with live bars on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from odu_cli.deployment_bars import Counts, deployment_bars
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused, failed
from odu_cli.output import update_name
from odu_cli.rest import deployment_path, path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from odu_cli.command import Session
    from odu_cli.output import Output

_POLL_SECONDS = 0.5
_ENDED = ("Succeeded", "Failed")
_STAGES = {
    "fetch": "fetching the files",
    "delta": "making deltas",
    "scan": "scanning for malware",
    "publish": "publishing",
    "delete": "deleting",
    "devices": "reading devices",
    "modules": "reading modules",
    "check": "checking what is gone",
    "end": "ended",
}

State = Mapping[str, Any]


async def follow_operation(
    session: Session, operation: str, is_enough: Callable[[State], bool] | None = None
) -> State:
    """Show the progress of an operation until it has ended, or until it has come far enough.

    Args:
        session: The run.
        operation: Its path.
        is_enough: Whether a state is the last to wait for.
    """
    with _progress(session.output) as show:
        async for state in session.rest.states(operation):
            show(state)
            if is_enough is not None and is_enough(state):
                break
    return state


def conclude(session: Session, state: State, what: str, *, about: str = "") -> None:
    """Print an operation that has ended.

    Args:
        session: The run.
        state: The operation.
        what: It is, such as "the import".
        about: The updates that it is about, where the operation does not say.

    Raises:
        Refused: It has failed.
    """
    named = update_name(state["update"]) if state.get("update") else about
    if state["status"] == "Failed":
        subject = f"{what} of {named}" if named else what
        raise failed(subject, state.get("error") or {}, dict(state))
    if session.output.is_json:
        session.output.document(state)
        return
    update = f" of {named}" if named else ""
    size = f", {state['bytesDone']:,} bytes" if state.get("bytesDone") else ""
    session.output.done(f"{what}{update} succeeded{size}")


def is_ended(state: State) -> bool:
    """Whether an operation has ended."""
    return state["status"] in _ENDED


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[State], None]]:
    if output.is_json:
        yield lambda state: None
    elif not output.progress.is_terminal:
        yield _stage_lines(output)
    else:
        with _bar(output) as show:
            yield show


def _stage_lines(output: Output) -> Callable[[State], None]:
    """A line for each stage and each wait, where there is no terminal to draw on."""
    seen: set[str] = set()

    def show(state: State) -> None:
        line = doing(state)
        if line not in seen and not is_ended(state):
            seen.add(line)
            output.note(line)

    return show


def doing(state: State) -> str:
    """What an operation does, or waits for."""
    if not is_ended(state):
        updates = [update_name(each) for each in state.get("missingUpdates") or ()]
        if missing := [*(state.get("missingFiles") or ()), *updates]:
            return f"waiting for {_named(missing)}"
        if awaited := state.get("awaitedFiles"):
            return f"waiting for a verdict on {_named(awaited)}"
    stage = str(state.get("stage") or state["status"])
    return _STAGES.get(stage, stage)


def _named(things: Sequence[str]) -> str:
    return things[0] if len(things) == 1 else f"{things[0]} and {len(things) - 1} more"


def measure(state: State) -> tuple[int, int | None, str]:
    """How much is done, of how much if that is known, and both in words."""
    match state.get("stage"):
        case "scan":
            done, total, unit = state.get("filesScanned"), state.get("filesTotal"), "files"
        case "fetch" | "delta" | "end":
            done, total, unit = state.get("bytesDone"), state.get("bytesTotal"), "bytes"
        case _:
            return 0, None, ""
    done = done or 0
    return done, total or None, f"{done:,} of {total:,} {unit}" if total else ""


@contextmanager
def _bar(output: Output) -> Iterator[Callable[[State], None]]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description:20}"),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
        console=output.progress,
        transient=True,
    )
    with bar:
        task = bar.add_task("waiting", total=None, amount="")

        def show(state: State) -> None:
            done, total, amount = measure(state)
            bar.update(task, description=doing(state), completed=done, total=total, amount=amount)

        yield show


async def class_names(session: Session) -> dict[str, str]:
    """How to call the device classes: by friendly name, or by their properties."""
    found = {}
    async for item in session.rest.items(path("management", "deviceClasses")):
        properties = item["deviceClassProperties"]["compatProperties"]
        name = item.get("friendlyName") or " ".join(map(str, properties.values()))
        found[str(item["deviceClassId"])] = name
    return found


async def follow_deployment(session: Session, group: str, deployment: str) -> State:
    """Show how the devices of a deployment come along until all have ended, or none will go on."""
    names = await class_names(session)
    address = f"{deployment_path(group, deployment)}/status"
    output = session.output
    is_quiet = output.is_json
    with deployment_bars(output.progress, is_quiet=is_quiet) as bars:
        while True:
            status: State = await session.rest.get(address)
            for one in status["subgroupStatus"]:
                class_id = one["deviceClassId"]
                bars.show(names.get(class_id, class_id), Counts.of_subgroup(one))
            if _is_over(status):
                return status
            await asyncio.sleep(_POLL_SECONDS)


def judge(status: State, deployment: str) -> None:
    """Check how a deployment that is over has ended.

    Raises:
        Refused: Not every device has succeeded.
    """
    counts = Counts.of(status)
    if counts.succeeded == counts.total > 0:
        return
    state = status["deploymentState"]
    sentence = f"deployment {deployment} is {state}; of {counts.total} devices: {counts}"
    raise Refused(ExitCode.FAILED, sentence, error=status.get("error"), document=dict(status))


def _is_over(status: State) -> bool:
    """A subgroup that is no longer active waits for devices only while some are at work."""
    subgroups = status["subgroupStatus"]
    if not subgroups:
        return status["deploymentState"] not in ("Active", "ActiveWithSubgroupFailures")
    return all(
        Counts.of_subgroup(one).is_finished
        or (one["deploymentState"] != "Active" and not one.get("devicesInProgressCount"))
        for one in subgroups
    )
