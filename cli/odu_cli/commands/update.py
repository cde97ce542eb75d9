"""`odu update`: imports updates, lists, shows and deletes them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odu_cli import PROGRAM, arguments
from odu_cli.command import (
    CommandCoroutine,
    Session,
    WatchOption,
    YesOption,
    command,
    command_group,
)
from odu_cli.commands import update_deltas, update_lists
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from odu_cli.handler_rules import handler_violations
from odu_cli.packages import Package, load_package
from odu_cli.rest import path, update_path
from shared.domain.updates.update_id import UpdateId

if TYPE_CHECKING:
    from odu_cli.impact import Impact

app = command_group(
    "Updates: import them, list, show and delete them.",
    "update import contoso.toaster.1.2.importmanifest.json --watch",
    "update list --search toaster",
    "update show contoso/toaster/1.2",
    "update recall contoso/toaster/1.2 --reason 'bricks toasters' --yes",
    "update delta contoso/toaster --from 1.1 --to 1.2",
    "update rescan",
    "update delete contoso/toaster/1.2 --yes",
    "update import --url 'https://ACCOUNT.blob.core.windows.net/c/m.json?SAS' --watch",
    "    --endpoint https://APP.azurewebsites.net --instance blue",
)

_UPDATE = typer.Argument(metavar="PROVIDER/NAME/VERSION", help="The update.")


@command(app, "import")
def import_update(
    session: Session,
    manifests: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MANIFEST",
            help="Import manifests; several make one import of a parent with its children.",
            show_default=False,
        ),
    ] = None,
    *,
    files: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the files are; beside each manifest by default.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Have the service fetch the manifest from this link."),
    ] = None,
    links: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            metavar="NAME=URL",
            help="Link of a file; by default it lies beside the manifest with the same SAS.",
        ),
    ] = None,
    drop: Annotated[
        bool,
        typer.Option("--drop", metavar="", help="Upload manifest and files to the drop container."),
    ] = False,
    container: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The drop container in Azure, with a SAS or without."),
    ] = None,
    friendly_name: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How the update is shown.")
    ] = None,
    watch: WatchOption = False,
) -> CommandCoroutine:
    """Import an update, or one with the updates that it refers to.

    The local stack fetches the files from here until all are there, so they need not be uploaded. A
    service in Azure takes links (--url) or a blob drop (--drop).
    """
    paths = manifests or []
    options = _Options(friendly_name, is_watched=watch)
    _check_way(session, paths, url=url, drop=drop)
    packages = [load_package(each, files, with_files=url is None) for each in paths]
    for package in packages:
        for broken in handler_violations(package.manifest):
            session.output.note(f"devices will refuse it: {broken.message}")
    if url is not None:
        by_name = dict(arguments.pair(text) for text in links or ())
        return _from_link(session, url, by_name, packages, options)
    if drop:
        return _by_drop(session, packages[0], container, options)
    return _from_here(session, packages, options)


@command(app, "recall")
def recall_update(
    session: Session,
    update: Annotated[str, _UPDATE],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown with the update.")],
    yes: YesOption = False,
) -> CommandCoroutine:
    """Take an update back: nobody can deploy it any more, running deployments are cancelled."""
    identity = arguments.update_id(update)
    session.check_askable(is_confirmed=yes)

    async def work() -> None:
        if not yes:
            session.confirm(
                f"Recall {identity} ({await _impact(session, identity)})?", is_confirmed=False
            )
        _, found = await session.rest.request(
            "POST", f"{update_path(identity.to_wire())}:recall", {"reason": reason}
        )
        if session.output.is_json:
            session.output.document(found)
        else:
            session.output.done(f"{identity} is recalled")

    return work()


@command(app, "rescan")
def rescan_updates(session: Session) -> CommandCoroutine:
    """Scan what is published again, and wait until that is done."""

    async def work() -> None:
        from odu_cli.watching import conclude, follow_operation

        headers, _ = await session.rest.request("POST", "updates:scan")
        state = await follow_operation(session, headers["Operation-Location"])
        conclude(session, state, "the re-scan")

    return work()


@command(app, "delete")
def delete_update(
    session: Session, update: Annotated[str, _UPDATE], *, yes: YesOption = False
) -> CommandCoroutine:
    """Delete an update and wait until it is gone; one that is deployed or referred to stays."""
    identity = arguments.update_id(update)
    session.check_askable(is_confirmed=yes)

    async def work() -> None:
        from odu_cli.watching import conclude, follow_operation

        if not yes:
            session.confirm(
                f"Delete {identity} ({await _impact(session, identity)})?", is_confirmed=False
            )
        headers, _ = await session.rest.request("DELETE", update_path(identity.to_wire()))
        state = await follow_operation(session, headers["Operation-Location"])
        conclude(session, state, "the deletion")

    return work()


@dataclass(frozen=True, slots=True)
class _Options:
    """What goes for every way to import."""

    friendly_name: str | None
    is_watched: bool


async def _impact(session: Session, identity: UpdateId) -> Impact:
    """What it touches; a mistyped update is told before anything is asked."""
    from odu_cli.impact import impact_of_update

    await session.rest.get(update_path(identity.to_wire()))
    return await impact_of_update(session.rest, identity.to_wire())


def _check_way(session: Session, paths: Sequence[Path], *, url: str | None, drop: bool) -> None:
    """Refuse combinations of options that make no sense."""
    if url is not None and (drop or len(paths) > 1):
        raise typer.BadParameter("--url takes one manifest at most, and no --drop")
    if drop and len(paths) != 1:
        raise typer.BadParameter("--drop takes one manifest")
    if url is None and not paths:
        raise typer.BadParameter("name a manifest, or give its --url")
    if url is None and not drop and not session.target.is_local:
        raise typer.BadParameter(
            "a service in Azure cannot fetch files from this machine; use --url or --drop"
        )


async def _from_here(session: Session, packages: Sequence[Package], options: _Options) -> None:
    from odu_cli.file_server import FileServer
    from odu_cli.watching import follow_operation, is_ended

    fetched = False

    def is_enough(state: Any) -> bool:
        nonlocal fetched
        fetched = is_ended(state) or state.get("stage") not in (None, "fetch")
        return fetched and not options.is_watched

    async with FileServer() as server:
        items = [
            server.offer(package.data, package.files, options.friendly_name) for package in packages
        ]
        operation = await session.rest.import_update(items)
        try:
            state = await follow_operation(session, operation, is_enough)
        except asyncio.CancelledError:
            goes_on = "goes on without this command" if fetched else "fails: it lacks files"
            session.output.note(f"interrupted; the import {goes_on}")
            raise
    _tell(session, state, packages)


async def _from_link(
    session: Session,
    url: str,
    links: dict[str, str],
    packages: Sequence[Package],
    options: _Options,
) -> None:
    from odu_cli.sources import linked_item

    package = packages[0] if packages else None
    item = await linked_item(url, links, package, options.friendly_name)
    await _finish(session, await session.rest.import_update([item]), options, packages)


async def _by_drop(
    session: Session, package: Package, container: str | None, options: _Options
) -> None:
    from odu_cli.sources import drop_container, drop_package, dropped_operation

    if options.friendly_name is not None:
        raise Refused(ExitCode.USAGE, "a dropped update has no --friendly-name")
    async with drop_container(session.target, container) as client:
        name = f"{package.manifest.update_id}".replace("/", ".")
        folder = f"{session.rest.instance}/{name}-{uuid.uuid4().hex[:8]}"
        status = await drop_package(client, folder, package)
        if options.is_watched:
            session.output.note(f"dropped; waiting for {status}")
            identity = await dropped_operation(client, status)
            state = await session.rest.get(path("updates", "operations", identity))
            _tell(session, state, [package])
        elif session.output.is_json:
            session.output.document({"statusBlob": status})
        else:
            session.output.done(f"dropped; the outcome will be in {status}")


async def _finish(
    session: Session, operation: str, options: _Options, packages: Sequence[Package]
) -> None:
    from odu_cli.watching import follow_operation

    if options.is_watched:
        _tell(session, await follow_operation(session, operation), packages)
    else:
        _tell(session, await session.rest.get(operation), packages)


def _tell(session: Session, state: Any, packages: Sequence[Package]) -> None:
    """Print an import, whether it has ended or goes on; a failure names its updates."""
    from odu_cli.watching import conclude, is_ended

    if is_ended(state):
        updates = ", ".join(str(package.manifest.update_id) for package in packages)
        conclude(session, state, "the import", about=updates)
    elif session.output.is_json:
        session.output.document(state)
    else:
        identity = state["operationId"]
        session.output.done(f"the import goes on as operation {identity}")
        session.output.note(f"follow it: {PROGRAM} operation show {identity} --watch")


update_lists.register(app)
update_deltas.register(app)
