"""What types cannot say of a roll-out: rules between its members, one error for each broken one.

The bounds on single values are those of `specification`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from shared.domain.errors import InvalidInput
from shared.domain.instant import instant
from shared.domain.rollouts.durations import duration, duration_text
from shared.domain.rollouts.windows import check_window

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Phase, Rollout, Select, Window

SHORTEST_DEADLINE = timedelta(minutes=5)
LONGEST_DEADLINE = timedelta(days=90)
LONGEST_GATE = timedelta(days=365)
LINK_SHARE = 0.9
"""How much of the life of a download link a device may stay silent: after that it could not
download any more."""


def checked(
    rollout: Rollout, *, link_life: timedelta, has_rollback: bool, place: str = "/rollout"
) -> Rollout:
    """The roll-out in its one form: durations in their shortest text, instants as `instant` has
    them.

    Args:
        rollout: As the caller gave it; `specification` holds for it.
        link_life: How long a download link in a command lives.
        has_rollback: Whether the deployment has a rollback policy.
        place: JSON pointer of the roll-out.

    Raises:
        InvalidInput: It breaks rules; `details` has one error for each, with code and pointer.
    """
    _refuse(list(_errors(rollout, link_life, has_rollback=has_rollback)), place)
    return _in_one_form(rollout)


def windows_in_one_form(windows: tuple[Window, ...], place: str = "") -> tuple[Window, ...]:
    """Windows that keep the rules, in their one form; raises as `checked` does."""
    _refuse(list(_window_errors(windows)), place)
    return tuple(
        msgspec.structs.replace(
            window, cron=" ".join(window.cron.split()), duration=_short(window.duration)
        )
        for window in windows
    )


def _refuse(errors: list[InvalidInput], place: str) -> None:
    if errors:
        details = tuple(
            InvalidInput(error.message, code=error.code, target=place + (error.target or ""))
            for error in errors
        )
        first = details[0]
        raise InvalidInput(first.message, code=first.code, target=first.target, details=details)


def _errors(
    rollout: Rollout, link_life: timedelta, *, has_rollback: bool
) -> Iterator[InvalidInput]:
    yield from _phase_errors(rollout.phases)
    yield from _deadline_errors(rollout, link_life)
    yield from _window_errors(rollout.windows)
    if rollout.failure.action == "Rollback" and not has_rollback:
        yield _error(
            "'action' Rollback needs the deployment's 'rollbackPolicy', which says to what update.",
            "RollbackPolicyMissing",
            "/failure/action",
        )
    if rollout.end_date_time is not None:
        try:
            instant(rollout.end_date_time, "/endDateTime")
        except InvalidInput as error:
            yield _error(error.message, "InvalidInstant", "/endDateTime")


def _window_errors(windows: tuple[Window, ...]) -> Iterator[InvalidInput]:
    for index, window in enumerate(windows):
        for error in check_window(window):
            yield _error(error.message, error.code, f"/windows/{index}{error.target}")


def _phase_errors(phases: tuple[Phase, ...]) -> Iterator[InvalidInput]:
    reached, names = 0, set[str]()
    for index, phase in enumerate(phases):
        place, select = f"/phases/{index}", phase.select
        if len(_given(select)) != 1:
            yield _error(
                "A phase is selected by exactly one of 'percent', 'count' and 'classId'.",
                "PhaseSelection",
                f"{place}/select",
            )
        elif select.percent is not None:
            if abs(select.percent * 100 - select.basis_points) > 1e-6:
                yield _error(
                    "'percent' has two decimals at most.",
                    "PercentTooFine",
                    f"{place}/select/percent",
                )
            elif select.basis_points <= reached:
                yield _error(
                    "'percent' counts from the first phase on, so it must rise from phase to "
                    f"phase; {reached / 100:g} was reached already.",
                    "PercentNotRising",
                    f"{place}/select/percent",
                )
            reached = max(reached, select.basis_points)
        if phase.name is not None and phase.name in names:
            yield _error(
                f"Two phases are called '{phase.name}'.", "PhaseNameTaken", f"{place}/name"
            )
        names.add(phase.name or "")
        yield from _gate_errors(phase, f"{place}/gate")


def _gate_errors(phase: Phase, place: str) -> Iterator[InvalidInput]:
    gate = phase.gate
    if gate.bake > LONGEST_GATE:
        yield _too_long("bakeTime", LONGEST_GATE, place)
    wait = gate.longest_wait
    if wait is not None and wait > LONGEST_GATE:
        yield _too_long("maximumWait", LONGEST_GATE, place)
    elif wait is not None and wait <= gate.bake:
        yield _error(
            "'maximumWait' must be longer than 'bakeTime', or the phase can never pass.",
            "WaitTooShort",
            f"{place}/maximumWait",
        )


def _deadline_errors(rollout: Rollout, link_life: timedelta) -> Iterator[InvalidInput]:
    longest = timedelta(seconds=int(link_life.total_seconds() * LINK_SHARE))
    spans = (
        ("start", rollout.deadlines.until_silent, longest),
        ("progress", rollout.deadlines.until_stuck, LONGEST_DEADLINE),
    )
    for name, span, most in spans:
        if not SHORTEST_DEADLINE <= span <= most:
            yield _error(
                f"'{name}' must be between {duration_text(SHORTEST_DEADLINE)} and "
                f"{duration_text(most)}.",
                "DeadlineOutOfRange",
                f"/deadlines/{name}",
            )


def _given(select: Select) -> list[object]:
    given = (select.percent, select.count, select.class_id)
    return [value for value in given if value is not None]


def _too_long(name: str, most: timedelta, place: str) -> InvalidInput:
    return _error(
        f"'{name}' is at most {duration_text(most)}.", "DurationOutOfRange", f"{place}/{name}"
    )


def _error(message: str, code: str, target: str) -> InvalidInput:
    return InvalidInput(message, code=code, target=target)


def _in_one_form(rollout: Rollout) -> Rollout:
    replace = msgspec.structs.replace
    phases = tuple(
        replace(
            phase,
            gate=replace(
                phase.gate,
                bake_time=_short(phase.gate.bake_time),
                maximum_wait=phase.gate.maximum_wait and _short(phase.gate.maximum_wait),
            ),
        )
        for phase in rollout.phases
    )
    deadlines = replace(
        rollout.deadlines,
        start=_short(rollout.deadlines.start),
        progress=_short(rollout.deadlines.progress),
    )
    windows = windows_in_one_form(rollout.windows)
    end = rollout.end_date_time and instant(rollout.end_date_time)
    return replace(rollout, phases=phases, deadlines=deadlines, windows=windows, end_date_time=end)


def _short(text: str) -> str:
    return duration_text(duration(text))
