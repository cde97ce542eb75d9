"""`odu manifest`: writes import manifests and checks them, without the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from odu_cli import arguments
from odu_cli.command import Needs, Session, command, command_group
from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused, details
from odu_cli.handler_rules import default_properties
from odu_cli.manifest_builder import UpdatePlan, build_manifest, file_entry
from odu_cli.packages import check_handlers, load_package, parse
from odu_cli.ready_deltas import ready_delta, with_deltas
from shared.domain.updates.import_manifest_checks import OWN_DELTA
from shared.domain.updates.update_id import UpdateId
from shared.topology import IMPORT_MANIFEST_SUFFIX

app = command_group(
    "Import manifests: what an update consists of. Needs neither stack nor network.",
    "manifest init install.sh firmware.bin --provider contoso --name toaster",
    "    --version 1.2 --compat manufacturer=contoso,model=toaster",
    "manifest init packages.json --handler microsoft/apt:1 --provider contoso --name toaster",
    "    --version 1.3 --compat manufacturer=contoso,model=toaster",
    "manifest init install.sh rootfs.img --delta rootfs.img=1.2/rootfs.img,rootfs.delta",
    "    --provider contoso --name toaster --version 1.4",
    "    --compat manufacturer=contoso,model=toaster",
    "manifest validate contoso.toaster.1.2.importmanifest.json",
    "update import contoso.toaster.1.2.importmanifest.json --watch",
)


@command(app, "init", needs=Needs.NOTHING)
def write_manifest(
    session: Session,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="The files of the update.", show_default=False),
    ] = None,
    *,
    provider: Annotated[str, typer.Option(metavar="NAME", help="Who makes the update.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What it updates.")],
    version: Annotated[str, typer.Option(metavar="N.N", help="2 to 4 numbers.")],
    compat: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUE,...",
            help="Properties of devices that it fits; may be repeated for other devices.",
        ),
    ],
    handler: Annotated[
        str, typer.Option(metavar="ID", help="Who installs the files on the device.")
    ] = "microsoft/script:1",
    properties: Annotated[
        list[str] | None,
        typer.Option(
            "--property",
            metavar="KEY=VALUE",
            help="For the handler; may be repeated. Those that a standard handler requires are "
            "written by themselves: scriptFileName (the first *.sh, else the first file), "
            "swuFileName, installedCriteria (the version).",
        ),
    ] = None,
    references: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="PROVIDER/NAME/VERSION",
            help="Another update to install as a step; may be repeated.",
        ),
    ] = None,
    deltas: Annotated[
        list[str] | None,
        typer.Option(
            "--delta",
            metavar="FILE=OLD,DELTA",
            help="A delta made already, that makes FILE from OLD, which devices have; may be "
            "repeated. DELTA is imported, OLD only read.",
        ),
    ] = None,
    delta_handler: Annotated[
        str, typer.Option(metavar="ID", help="Who applies the deltas on the device.")
    ] = OWN_DELTA,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None,
    not_deployable: Annotated[
        bool,
        typer.Option(
            "--not-deployable", metavar="", help="It only serves as a step of other updates."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write; beside the first file by default.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Overwrite an existing manifest.")
    ] = False,
) -> None:
    """Write an import manifest (version 5.0) for files, with their sizes and hashes."""
    chosen = files or []
    given = dict(arguments.pair(text) for text in properties or ())
    plan = UpdatePlan(
        update_id=UpdateId(provider, name, version).to_wire(),
        compatibility=[arguments.pairs(text) for text in compat],
        handler=handler,
        handler_properties={
            **default_properties(handler, [path.name for path in chosen], version),
            **given,
        },
        description=description,
        is_deployable=not not_deployable,
        references=[arguments.update_id(text).to_wire() for text in references or ()],
    )
    ready = [ready_delta(text) for text in deltas or ()]
    entries = with_deltas([file_entry(path.name, path) for path in chosen], ready, delta_handler)
    document = build_manifest(plan, entries)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    check_handlers(parse(text.encode(), "what you describe"), "what you describe")
    folder = chosen[0].parent if chosen else Path()
    target = output or folder / f"{provider}.{name}.{version}{IMPORT_MANIFEST_SUFFIX}"
    _write(target, text, is_forced=force)
    if session.output.is_json:
        session.output.document({"path": str(target), "manifest": document})
        return
    session.output.done(f"wrote {target}")
    imported = [*chosen, *(each.delta for each in ready)]
    if any(path.parent.resolve() != target.parent.resolve() for path in imported):
        session.output.note("its files lie elsewhere: validate and import it with --files DIR")


@command(app, "validate", needs=Needs.NOTHING)
def validate_manifest(
    session: Session,
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="The import manifest.")],
    *,
    files: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where its files are; beside it by default.", show_default=False
        ),
    ] = None,
    manifest_only: Annotated[
        bool, typer.Option("--manifest-only", metavar="", help="Do not look at the files.")
    ] = False,
) -> None:
    """Check a manifest as the service would, its files, and what the standard handlers require."""
    try:
        package = load_package(manifest, files, with_files=not manifest_only, with_handlers=True)
    except Refused as refused:
        violations = [
            {"target": item.target, "message": item.message} for item in details(refused.error)
        ]
        outcome = {"valid": False, "path": str(manifest), "violations": violations}
        raise Refused(
            refused.code, refused.sentence, error=refused.error, document=outcome
        ) from refused
    identity = package.manifest.update_id
    if session.output.is_json:
        session.output.document(
            {
                "valid": True,
                "path": str(manifest),
                "updateId": identity.to_wire(),
                "violations": [],
            }
        )
        return
    sizes = [entry.size_bytes for entry in package.manifest.all_files]
    checked = "not looked at" if manifest_only else f"{sum(sizes):,} bytes, as the manifest says"
    session.output.done(f"{manifest} is valid: {identity}, files: {len(sizes)}, {checked}")


def _write(target: Path, text: str, *, is_forced: bool) -> None:
    try:
        with target.open("w" if is_forced else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise Refused(
            ExitCode.CONFLICT, f"{target} exists already; --force overwrites it"
        ) from None
