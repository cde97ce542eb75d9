"""What a process of the agent had begun when it died: how that ended is told before all else.

A deployment is noted when it is begun and the note goes with its end. At the next start one that
the twin still asks for simply runs again. One that it no longer asks for, because it was cancelled,
replaced or removed meanwhile, may be installed all the same, or be being installed at this moment
by the installing half: it is told to stop, and what it says has become of it is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contract.codes import Action
from .contract.manifest import ManifestError, parse_update_manifest
from .operation import Operation
from .workflow import CommandError, command_to_json, parse_command

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Unfinished:
    """What was begun; `seen` are the retry timestamps that its workflow was sent with."""

    operation: Operation
    seen: tuple[str | None, ...] = ()

    def is_wanted(self, service: Any) -> bool:
        """Whether the twin still asks for it, so that it may simply run again."""
        try:
            command = parse_command(service)
        except CommandError:
            return False
        is_same = command.workflow_id == self.operation.command.workflow_id
        return is_same and command.action == Action.PROCESS_DEPLOYMENT


def unfinished_to_json(unfinished: Unfinished) -> dict[str, Any]:
    """Write a note."""
    return {
        "service": command_to_json(unfinished.operation.command),
        "packageCode": int(unfinished.operation.package_code),
        "seen": list(unfinished.seen),
    }


def unfinished_from_json(note: Mapping[str, Any] | None) -> Unfinished | None:
    """Read a note; None where there is none, or a damaged one.

    The manifest is not verified here: whoever installs does that.
    """
    if note is None:
        return None
    seen, code = note.get("seen"), note.get("packageCode")
    try:
        command = parse_command(note.get("service"))
        manifest = parse_update_manifest(str(command.manifest))
    except (CommandError, ManifestError):
        return None
    operation = Operation(command, manifest, code if isinstance(code, int) else 0)
    return Unfinished(operation, tuple(seen) if isinstance(seen, list) else ())
