"""The options that describe a roll-out, and the `rollout` of the API that they stand for."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from shared.domain.rollouts.window_text import iso_duration, window_text

R = TypeVar("R")
_PANEL = "Roll-out"


class OnFailure(StrEnum):
    """What too many failures do."""

    PAUSE = "pause"
    ROLLBACK = "rollback"
    ABORT = "abort"


def _option(*names: str, help: str, metavar: str = "") -> Any:  # noqa: A002 (typer's word)
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """What the command line says of a roll-out."""

    phases: Annotated[
        str | None,
        _option(
            metavar="LIST",
            help="Such as 1%,10%,100% or lab=class:ID,first=20,rest=100%: per cent of all, so many "
            "more, or a device class.",
        ),
    ] = None
    bake: Annotated[
        str | None, _option(metavar="TIME", help="How long a phase has to stay good: 30m, 12h, 2d.")
    ] = None
    success: Annotated[
        str | None, _option(metavar="N%", help="Successes that let it go on; 95% by default.")
    ] = None
    sample: Annotated[
        int | None, _option(metavar="N", help="Devices that must have ended; 10 by default.")
    ] = None
    manual: Annotated[bool, _option("--manual", help="Wait for `advance` after each phase.")] = (
        False
    )
    longest_wait: Annotated[
        str | None, _option(metavar="TIME", help="Pause if a phase takes longer.")
    ] = None
    pause_above: Annotated[
        str | None, _option(metavar="N%", help="Failures that stop it; 5% by default.")
    ] = None
    failure_sample: Annotated[
        int | None, _option(metavar="N", help="Fewer devices count as so many; 100 by default.")
    ] = None
    failures: Annotated[
        int | None, _option(metavar="N", help="Failed devices that stop it, whatever their share.")
    ] = None
    on_failure: Annotated[
        OnFailure | None, _option(metavar="", help="What that does: pause, rollback or abort.")
    ] = None
    at_a_time: Annotated[
        int | None, _option(metavar="N", help="Devices asked at a time that have not ended.")
    ] = None
    rate: Annotated[int | None, _option(metavar="N", help="Devices asked a minute.")] = None
    window: Annotated[
        list[str] | None,
        _option(
            metavar="TEXT",
            help="When devices are asked: '0 1 * * mon-fri for 4h in Europe/Berlin', or in "
            "'device' for each device's own time zone; may be repeated.",
        ),
    ] = None
    leave_on_close: Annotated[
        bool,
        _option("--leave-on-close", help="Leave commands not begun when a window closes."),
    ] = False
    silent_after: Annotated[
        str | None,
        _option(metavar="TIME", help="Take the command back from devices silent so long; 3d."),
    ] = None
    stuck_after: Annotated[
        str | None,
        _option(metavar="TIME", help="Devices that began and say no more have failed; 1d."),
    ] = None
    ignore_device_window: Annotated[
        bool,
        _option("--ignore-device-window", help="Ask devices outside of windows of their own too."),
    ] = False
    priority: Annotated[
        int | None, _option(metavar="N", help="Goes before others of lower; 500 by default.")
    ] = None
    seed: Annotated[
        str | None, _option(metavar="TEXT", help="Equal seeds begin with the same devices.")
    ] = None
    end: Annotated[
        str | None, _option(metavar="TIME", help="ISO 8601; nobody is asked after it.")
    ] = None
    approval: Annotated[
        bool, _option("--approval", help="A second person has to approve it first.")
    ] = False
    rollout: Annotated[
        Path | None, _option(metavar="FILE", help="All of it as JSON; options go before.")
    ] = None

    def document(self) -> dict[str, Any] | None:
        """The `rollout` of the API; None if nothing was said.

        Raises:
            typer.BadParameter: A word is written otherwise, or there is a gate without phases.
        """
        made = self._from_file()
        if self.phases is not None:
            made["phases"] = [_phase(text) for text in self.phases.split(",")]
        gate, failure, deadlines = self._gate(), self._failure(), self._deadlines()
        given = {
            "maximumInFlight": self.at_a_time,
            "rate": {"perMinute": self.rate} if self.rate is not None else None,
            "windows": [window(text) for text in self.window] if self.window else None,
            "onClose": "Leave" if self.leave_on_close else None,
            "ignoreDeviceWindow": True if self.ignore_device_window else None,
            "priority": self.priority,
            "seed": self.seed,
            "endDateTime": self.end,
            "approval": "Required" if self.approval else None,
            "failure": {**made.get("failure", {}), **failure} if failure else None,
            "deadlines": {**made.get("deadlines", {}), **deadlines} if deadlines else None,
        }
        made |= {name: value for name, value in given.items() if value is not None}
        if not made and not gate:
            return None
        if gate and "phases" not in made:
            raise typer.BadParameter("say by which phases: --phases 1%,10%,100%")
        for phase in made.get("phases", ()) if gate else ():
            phase["gate"] = {**phase.get("gate", {}), **gate}
        return made

    def _from_file(self) -> dict[str, Any]:
        if self.rollout is None:
            return {}
        try:
            made = json.loads(self.rollout.read_bytes())
        except (OSError, ValueError) as error:
            raise Refused(ExitCode.INVALID, f"{self.rollout} cannot be read: {error}") from error
        if not isinstance(made, dict) or not isinstance(made.get("phases", []), list):
            raise Refused(ExitCode.INVALID, f"{self.rollout} holds no roll-out")
        made.pop("state", None)  # so that what `show --json` printed can be used again
        return made

    def _gate(self) -> dict[str, Any]:
        gate = {
            "bakeTime": duration(self.bake),
            "successPercent": percent(self.success),
            "minimumSample": self.sample,
            "advance": "Manual" if self.manual else None,
            "maximumWait": duration(self.longest_wait),
        }
        return {name: value for name, value in gate.items() if value is not None}

    def _deadlines(self) -> dict[str, Any]:
        deadlines = {
            "start": duration(self.silent_after),
            "progress": duration(self.stuck_after),
        }
        return {name: value for name, value in deadlines.items() if value is not None}

    def _failure(self) -> dict[str, Any]:
        failure = {
            "percent": percent(self.pause_above),
            "minimumSample": self.failure_sample,
            "count": self.failures,
            "action": self.on_failure.value.capitalize() if self.on_failure else None,
        }
        return {name: value for name, value in failure.items() if value is not None}


def with_rollout_options(work: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options of a roll-out: it takes them as `options`."""
    hints = get_type_hints(RolloutOptions, include_extras=True)
    known = fields(RolloutOptions)

    @functools.wraps(work)
    def run(*arguments: Any, **given: Any) -> R:
        options = RolloutOptions(**{each.name: given.pop(each.name) for each in known})
        return work(*arguments, options=options, **given)

    signature = inspect.signature(work, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "options"]
    added = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=hints[each.name],
        )
        for each in known
    ]
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    return run


def duration(text: str | None) -> str | None:
    """A time such as 30m, 12h or 1d12h as the API has it; ISO 8601 goes as well.

    Raises:
        typer.BadParameter: It is written otherwise.
    """
    if text is None:
        return None
    found = iso_duration(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time such as 30m, 12h or 2d")
    return found


def percent(text: str | None) -> float | None:
    """A number such as 3% or 0.5%.

    Raises:
        typer.BadParameter: It is written otherwise.
    """
    if text is None:
        return None
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no percentage such as 3%") from None


def _phase(text: str) -> dict[str, Any]:
    name, is_named, what = text.strip().rpartition("=")
    if what.endswith("%"):
        select: dict[str, Any] = {"percent": percent(what)}
    elif what.isdecimal():
        select = {"count": int(what)}
    elif what.startswith("class:"):
        select = {"classId": what.removeprefix("class:")}
    else:
        raise typer.BadParameter(f"{text!r} is no phase such as 10%, canary=5 or lab=class:ID")
    return {"name": name, "select": select} if is_named else {"select": select}


def window(text: str) -> dict[str, Any]:
    """A maintenance window as the API has it.

    Raises:
        typer.BadParameter: It is written otherwise.
    """
    found = window_text(text)
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no window such as '0 1 * * mon-fri for 4h in Europe/Berlin'"
        )
    made = {"cron": found.cron, "duration": found.duration}
    return {**made, "zone": found.zone} if found.zone else made
