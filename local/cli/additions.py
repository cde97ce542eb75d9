"""The operator's commands, with what a checkout adds to them: devices for the local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from odu_cli.command import GroupOption, Needs, Session, StateOption, command
from odu_cli.commands import device
from odu_cli.main import main as operate
from odu_cli.target_options import DEFAULT_STATE


@command(device.app, "add", needs=Needs.NOTHING)
def add_device(
    session: Session,
    identity: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id.")],
    *,
    group: GroupOption,
    manufacturer: Annotated[str, typer.Option(metavar="NAME", help="Who made it.")] = "contoso",
    model: Annotated[str, typer.Option(metavar="NAME", help="What it is.")] = "toaster",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where to write; a folder named as it by default."
        ),
    ] = None,
    root: Annotated[
        bool,
        typer.Option(
            "--root", metavar="", help="Give it an empty file system for apt, instead of '/'."
        ),
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", metavar="", help="Have it install nothing at all.")
    ] = False,
    instance: Annotated[
        str, typer.Option(metavar="ID", help="Instance of the local stack.")
    ] = "local",
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Make a device in the hub of the local stack, and write its du-config.json."""
    from local.fleet.device import SimulatedDevice
    from local.fleet.new_device import add_device as make
    from local.stack.running import Stack
    from odu_cli.local_stack import LocalStack

    LocalStack.load(state)  # says so if none is up
    stack = Stack.load(state)
    if instance not in stack.hubs:
        known = ", ".join(stack.hubs)
        raise typer.BadParameter(f"the stack has no instance {instance!r}; it has {known}")
    path = make(
        stack.of(instance),
        SimulatedDevice(identity, manufacturer, model, group),
        (folder or Path(identity)).resolve(),
        with_root=root,
        is_simulated=simulate,
    )
    if session.output.is_json:
        session.output.document({"deviceId": identity, "group": group, "config": str(path)})
    session.output.done(f"{identity} is in group {group}; wrote {path}")
    session.output.note(f"run its agent: ./odu agent --config {path}")


def main(arguments: list[str]) -> int:
    """Run a command of an operator; return its exit code."""
    return operate(arguments)
