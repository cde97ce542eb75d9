"""`odu audit`: who changed what, and the proof that nothing of it was tampered with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odu_cli.command import Needs, Session, command, command_group
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.output import Column, json_text, moment
from odu_cli.rest import path

if TYPE_CHECKING:
    from collections.abc import Mapping

app = command_group(
    "The audit log: every changing call, drop, automatic rollback and recall.",
    "audit list --target management/groups/pilot/deployments/v2",
    "audit show 2026-01-31-000000000042",
    "audit verify",
    "audit export audit.jsonl --from 2026-01-01",
    "audit verify-file audit.jsonl",
)

FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DAY", help="The first day, such as 2026-01-31.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="DAY", help="The last day, such as 2026-01-31.")
]

_COLUMNS = [
    Column("TIME", lambda item: moment(item["dateTime"])),
    Column("WHO", lambda item: item["actor"].get("name") or item["actor"]["objectId"]),
    Column("ACTION", lambda item: item["action"]),
    Column("ON", lambda item: item["target"]),
    Column("RESULT", lambda item: item["result"]),
    Column("ID", lambda item: item["id"]),
]


@command(app, "list")
async def list_entries(
    session: Session,
    *,
    actor: Annotated[str | None, typer.Option(help="Object id of who did it.")] = None,
    target: Annotated[str | None, typer.Option(help="Path of the thing, as in the API.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as delete_update.")] = None,
    result: Annotated[str | None, typer.Option(help="Succeeded, or an error code.")] = None,
    first: FromOption = None,
    last: ToOption = None,
) -> None:
    """List who changed what, the newest first."""
    wanted = {"actor": actor, "target": target, "action": action, "result": result}
    text = " and ".join(f"{name} eq {_quoted(value)}" for name, value in wanted.items() if value)
    found = session.rest.items(path("audit", **{"filter": text or None, "from": first, "to": last}))
    await session.output.listing(found, _COLUMNS, "nothing was changed")


@command(app, "show")
async def show_entry(
    session: Session, entry: Annotated[str, typer.Argument(metavar="ID", help="Its id.")]
) -> None:
    """Show an entry with the states before and after."""
    session.output.document(await session.rest.get(path("audit", entry)))


@command(app, "export")
async def export_entries(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - for stdout.")],
    *,
    first: FromOption = None,
    last: ToOption = None,
) -> None:
    """Write entries as JSON lines, the newest first, as they were hashed."""
    found = session.rest.items(path("audit", **{"from": first, "to": last}))
    count = 0
    with sys.stdout if str(file) == "-" else file.open("w", encoding="utf-8") as lines:
        async for item in found:
            lines.write(json_text(item) + "\n")
            count += 1
    if str(file) != "-":
        session.output.done(f"{count} entries in {file}")


@command(app, "verify")
async def verify(session: Session, *, first: FromOption = None, last: ToOption = None) -> None:
    """Have the service check that no entry was removed, changed or inserted."""
    _shown(session, await session.rest.get(path("audit:verify", **{"from": first, "to": last})))


@command(app, "verify-file", needs=Needs.NOTHING)
async def verify_file(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Made by audit export.")],
    *,
    expected: Annotated[
        str | None,
        typer.Option("--hash", metavar="HASH", help="The newest entry's hash, from an anchor."),
    ] = None,
) -> None:
    """Check an export by itself, without asking the service."""
    _shown(session, checked_file(file, expected))


def _quoted(value: str) -> str:
    """A string as filters have it."""
    return "'" + value.replace("'", "''") + "'"


def checked_file(file: Path, expected: str | None) -> dict[str, Any]:
    """The proof of an export, in the form of the API's; memory does not grow with the file."""
    from shared.contract.audit_chain import START, ChainCheck, Place

    check: ChainCheck | None = None
    oldest: Mapping[str, Any] = {}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if check is None:
                head = Place(int(entry["number"]), expected or str(entry["hash"]))
                check = ChainCheck(str(entry["instanceId"]), head)
            check.feed(entry)
            oldest = entry
    if check is None:
        return {"isIntact": expected is None, "entryCount": 0}
    floor = START
    if int(oldest["number"]) > 1:
        floor = Place(int(oldest["number"]) - 1, str(oldest["previousHash"]))
    found = check.finish(floor)
    proof: dict[str, Any] = {
        "isIntact": found is None,
        "entryCount": check.checked,
        "lastNumber": check.head.number,
        "lastHash": check.head.hash,
    }
    if found is not None:
        proof["firstFinding"] = {"number": found.number, "reason": found.reason}
    return proof


def _shown(session: Session, proof: Mapping[str, Any]) -> None:
    if not proof["isIntact"]:
        found = proof.get("firstFinding") or {"number": 0, "reason": "it is empty"}
        raise Refused(
            ExitCode.FAILED,
            f"the audit log does not hold at entry {found['number']}: {found['reason']}",
            document=dict(proof),
        )
    if session.output.is_json:
        session.output.document(dict(proof))
        return
    session.output.done(f"{proof['entryCount']} entries hold; the last hash is {proof['lastHash']}")
