"""`odu service`: what needs somebody, how the service is, what it is set up with, and search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from odu_cli import PROGRAM
from odu_cli.command import Session, command, command_group
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.output import Column, moment, plain
from odu_cli.rest import path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

app = command_group(
    "The service as a whole: what needs attention, how it is, its settings; search.",
    "service attention",
    "service health",
    "service search toaster",
    "service settings",
)

_LISTED_BY = {
    "Failed": "--code {code}",
    "RecalledInstalled": "--installed {subject}",
    "Silent": "--condition Silent",
    "Stuck": "--condition Stuck",
    "Unhealthy": "--condition Unhealthy",
}
"""What lists the devices of a cause."""
_HITS = [
    Column("KIND", lambda item: item["kind"]),
    Column("ID", lambda item: item["id"]),
    Column("TITLE", lambda item: item["title"]),
]
_DEPENDENCIES = [
    Column("DEPENDENCY", lambda item: item["name"]),
    Column("STATUS", lambda item: "ok" if item["isHealthy"] else "failing"),
    Column("MS", lambda item: item["milliseconds"], is_number=True),
    Column("ERROR", lambda item: item.get("error")),
]
_QUEUES = [
    Column("QUEUE", lambda item: item["queue"]),
    Column("MESSAGES", lambda item: item["messageCount"], is_number=True),
    Column("OLDEST, S", lambda item: round(item["oldestMessageSeconds"]), is_number=True),
    Column("FAILED FOR GOOD", lambda item: item["poisonMessageCount"], is_number=True),
]


@command(app, "attention")
async def show_attention(session: Session) -> None:
    """Say what needs somebody, what to do, and how to list the devices."""
    found = (await session.rest.get(path("management", "attention")))["value"]
    if session.output.is_json:
        session.output.document(found)
        return
    for item in found:
        print("\n".join(_lines(item)))
    if not found:
        session.output.note("nothing needs attention")


@command(app, "health")
async def show_health(session: Session) -> None:
    """Show dependencies, queues and the lag of events; the exit code tells whether it is well."""
    found = await session.rest.get(path("operations", "health"))
    queues = (await session.rest.get(path("operations", "queues")))["value"]
    whole = {**found, "queues": queues}
    if not session.output.is_json:
        _print_health(session, whole)
    if found["status"] == "Unhealthy":
        raise Refused(ExitCode.FAILED, "the service is unhealthy", document=whole)
    if session.output.is_json:
        session.output.document(whole)


@command(app, "search")
async def search(
    session: Session,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Part of a name or description.")],
) -> None:
    """Find updates, groups, classes, deployments by part of a name, a device by its whole id."""
    found = (await session.rest.get(path("search", q=text)))["value"]
    if session.output.is_json:
        session.output.document(found)
        return
    session.output.table(_HITS, found)
    if not found:
        session.output.note("nothing is named so")


@command(app, "settings")
async def show_settings(session: Session) -> None:
    """Show what the service is set up with, its scanners included; nothing of it is secret."""
    found = await session.rest.get(path("management", "settings"))
    scanners = (await session.rest.get(path("management", "scanners")))["value"]
    if session.output.is_json:
        session.output.document({**found, "scanners": scanners})
        return
    session.output.fields(_flat(found))
    session.output.fields((f"scanner {item['engine']}", _versions(item)) for item in scanners)


def _print_health(session: Session, found: Mapping[str, Any]) -> None:
    session.output.fields(
        [
            ("status", found["status"]),
            ("version", found["version"]),
            ("last events", moment(found.get("lastEventDateTime"))),
            ("their lag", _seconds(found.get("eventLagSeconds"))),
        ]
    )
    session.output.table(_DEPENDENCIES, found["dependencies"], title="Dependencies")
    session.output.table(_QUEUES, found["queues"], title="Queues")


def _lines(item: Mapping[str, Any]) -> Iterator[str]:
    """A cause for people: how many, what happened, what to do, what lists the devices."""
    count = item.get("deviceCount")
    number = f"{item.get('count') or 0:,}" if count is None else f"{count:,} devices"
    yield plain(f"{item['cause']}: {number}")
    yield plain(f"  {item['message']}")
    yield plain(f"  {item['nextStep']}")
    options = _LISTED_BY.get(item["cause"]) if item.get("filter") else None
    if options is not None:
        yield plain(f"  {PROGRAM} device list {options.format_map(item)}")
    if item["cause"] == "RolloutHeld":
        yield plain(f"  {PROGRAM} deployment status {item['subject']} --group {item['groupId']}")


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} s"


def _versions(item: Mapping[str, Any]) -> str:
    rules = item.get("rulesVersion")
    engine = item.get("engineVersion") or "not reached"
    return f"{engine}, rules {rules}" if rules else engine


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", ", ".join(value) if isinstance(value, list) else str(value)
