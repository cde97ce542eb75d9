"""`odu update list` and `show`: what is published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from odu_cli import arguments
from odu_cli.command import Session, command
from odu_cli.output import Column, moment, update_name
from odu_cli.rest import path, update_path


def register(app: typer.Typer) -> None:
    """Add the commands to `odu update`."""
    command(app, "list")(list_updates)
    command(app, "show")(show_update)


def _recall(found: Any) -> str | None:
    return f"{moment(found['recalledDateTime'])}: {found['reason']}" if found else None


def _verdicts(files: Any) -> Iterator[Any]:
    """Every verdict, with the name of its file."""
    for file in (each for item in files for each in (item, *(item.get("relatedFiles") or ()))):
        for verdict in file.get("scanVerdicts") or ():
            yield {**verdict, "fileName": file["fileName"]}


def _pairs(properties: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in (properties or {}).items())


_COLUMNS = [
    Column("UPDATE", update_name),
    Column("FRIENDLY NAME", lambda item: item.get("friendlyName")),
    Column("DEPLOYABLE", lambda item: item.get("isDeployable", True)),
    Column("SCAN", lambda item: item.get("scanResult")),
    Column("BYTES", lambda item: f"{item.get('sizeInBytes', 0):,}", is_number=True),
    Column("IMPORTED", lambda item: moment(item["importedDateTime"])),
]
_FILES = [
    Column("NAME", lambda item: item["fileName"]),
    Column("BYTES", lambda item: f"{item['sizeInBytes']:,}", is_number=True),
    Column("SCAN", lambda item: item.get("scanResult")),
    Column("SHA-256", lambda item: item["hashes"]["sha256"]),
]


def _found(verdict: Any) -> str:
    what = ", ".join(verdict.get("names") or ()) or verdict.get("reason") or ""
    place = verdict.get("memberPath")
    return f"{what} at {place}" if place else what


_VERDICTS = [
    Column("FILE", lambda item: item["fileName"]),
    Column("ENGINE", lambda item: f"{item['engine']} {item['engineVersion']}".strip()),
    Column("RULES", lambda item: item["rulesVersion"]),
    Column("RESULT", lambda item: item["result"]),
    Column("MEMBERS", lambda item: item["membersScanned"], is_number=True),
    Column("BYTES", lambda item: f"{item['bytesScanned']:,}", is_number=True),
    Column("FOUND", _found),
]
_STEPS = [
    Column("HANDLER", lambda item: item.get("handler") or "reference"),
    Column("INSTALLS", lambda item: ", ".join(item.get("files") or [update_name(item)])),
    Column("PROPERTIES", lambda item: _pairs(item.get("handlerProperties"))),
]


async def list_updates(
    session: Session,
    *,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only those with this text.")
    ] = None,
    deployable: Annotated[
        bool | None,
        typer.Option("--deployable/--not-deployable", metavar="", help="Only such ones."),
    ] = None,
    recalled: Annotated[bool, typer.Option("--recalled", help="Only those taken back.")] = False,
    newest: Annotated[bool, typer.Option("--newest", help="The last imported first.")] = False,
) -> None:
    """List updates, by their names or by their import."""
    wanted = [] if deployable is None else [f"isDeployable eq {str(deployable).lower()}"]
    wanted += ["recall ne null"] if recalled else []
    order = "importedDateTime desc" if newest else None
    updates = session.rest.items(
        path("updates", search=search, filter=" and ".join(wanted) or None, orderby=order)
    )
    await session.output.listing(updates, _COLUMNS, "there are no updates")


async def show_update(
    session: Session,
    update: Annotated[str, typer.Argument(metavar="PROVIDER/NAME/VERSION", help="The update.")],
) -> None:
    """Show an update with its files."""
    rest, base = session.rest, update_path(arguments.update_id(update).to_wire())
    found = await rest.get(base)
    identities = [str(item) async for item in rest.items(f"{base}/files")]
    found["files"] = [await rest.get(f"{base}/{path('files', item)}") for item in identities]
    if session.output.is_json:
        session.output.document(found)
        return
    parents = ", ".join(update_name(item) for item in found.get("referencedBy") or ())
    session.output.fields(
        [
            ("update", update_name(found)),
            ("friendly name", found.get("friendlyName")),
            ("description", found.get("description")),
            ("fits", "; ".join(_pairs(each) for each in found["compatibility"])),
            ("deployable", found.get("isDeployable", True)),
            ("referred to by", parents),
            ("scan", found.get("scanResult")),
            ("recalled", _recall(found.get("recall"))),
            ("created", moment(found["createdDateTime"])),
            ("imported", moment(found["importedDateTime"])),
            ("manifest version", found["manifestVersion"]),
        ]
    )
    steps = (found.get("instructions") or {}).get("steps") or []
    session.output.table(_STEPS, steps, title="Steps")
    session.output.table(_FILES, found["files"], title="Files")
    session.output.table(_VERDICTS, list(_verdicts(found["files"])), title="Scans")
