"""App settings: where they come from and how bindings refer to them.

Settings are environment variables. `local.settings.json` only supplies those that the environment
does not already hold, so a supervisor always has the last word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from local.cloud.functions_host.errors import StartError

DEFAULT_CONNECTION = "AzureWebJobsStorage"
"""The setting of the host's own account, and of every binding that names no connection."""

_REFERENCE = re.compile(r"%([^%/\s]+)%")


def load_local_settings(app: Path, environment: MutableMapping[str, str]) -> None:
    """Put the `Values` of local.settings.json into the environment where they are not yet set."""
    path = app / "local.settings.json"
    if not path.exists():
        return
    try:
        values = json.loads(path.read_bytes()).get("Values", {})
    except (ValueError, AttributeError) as error:
        raise StartError(f"{path}: not a JSON object: {error}") from error
    if not isinstance(values, dict):
        raise StartError(f"{path}: Values must be an object")
    for name, value in values.items():
        environment.setdefault(name, str(value))


@dataclass(frozen=True, slots=True)
class Settings:
    """Read access to the app settings, with the ways in which bindings use them."""

    values: Mapping[str, str]

    def expand(self, text: str) -> str:
        """Replace each `%NAME%` by the setting NAME; a missing one is a `StartError`."""

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self.values:
                raise StartError(f"%{name}% refers to the app setting {name}, which is not set")
            return self.values[name]

        return _REFERENCE.sub(value, text)

    def is_disabled(self, function: str) -> bool:
        """Whether a setting keeps a function from being triggered, as `AzureWebJobs.NAME.Disabled`
        does.
        """
        return self.values.get(f"AzureWebJobs.{function}.Disabled", "").lower() in ("true", "1")

    def connection(self, name: str) -> str:
        """Return the connection string behind a binding's `connection`.

        Like the real host, a setting with the prefix AzureWebJobs wins over the bare name.
        """
        for candidate in (f"AzureWebJobs{name}", name):
            if value := self.values.get(candidate):
                return value
        raise StartError(f"connection {name}: the app setting {name} holds no connection string")
