"""Words of the command line that stand for more than themselves."""

from __future__ import annotations

import typer

from shared.domain.errors import InvalidInput
from shared.domain.updates.update_id import UpdateId


def update_id(text: str) -> UpdateId:
    """An update, written provider/name/version.

    Raises:
        typer.BadParameter: It is written otherwise.
    """
    parts = text.split("/")
    if len(parts) != 3:
        raise typer.BadParameter("an update is written PROVIDER/NAME/VERSION")
    try:
        return UpdateId(*parts)
    except InvalidInput as error:
        raise typer.BadParameter(error.message) from error


def pairs(text: str) -> dict[str, str]:
    """Several properties, written key=value,key=value.

    Raises:
        typer.BadParameter: One is written otherwise, or a key comes twice.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        key, value = pair(part)
        if key in found:
            raise typer.BadParameter(f"{key!r} is given twice")
        found[key] = value
    return found


def pair(text: str) -> tuple[str, str]:
    """A property, written key=value.

    Raises:
        typer.BadParameter: It is written otherwise.
    """
    key, separator, value = text.partition("=")
    if not key.strip() or not separator or not value:
        raise typer.BadParameter(f"{text!r} is not written KEY=VALUE")
    return key.strip(), value


def device_reference(text: str) -> dict[str, str]:
    """A device or one of its modules, written device or device/module."""
    device, separator, module = text.partition("/")
    if not device or (separator and not module):
        raise typer.BadParameter("a device is written DEVICE or DEVICE/MODULE")
    return {"deviceId": device, "moduleId": module} if separator else {"deviceId": device}


def quoted(text: str) -> str:
    """A text as it stands in a filter of the API."""
    return "'" + text.replace("'", "''") + "'"
