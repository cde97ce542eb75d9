"""The parts of a device that are updated on their own, and who knows them.

Reference steps go to components: their child update runs once for each component that the first
entry of its compatibility describes. Without an enumerator it runs once, for the device itself.

An enumerator is a plug-in, an entry point of the group `odu_agent.enumerators`, called with a
`HandlerEnvironment`. Where the components never change, a file will do: the setting `components` of
`microsoft/steps:1` names one, in the form of the public agent's inventories:

    {"components": [{"id": "1", "name": "left", "group": "motors", "manufacturer": "contoso",
                     "model": "motor", "version": "1.0", "properties": {"port": "/dev/m1"}}]}
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .contract.codes import Erc
from .contract.compatibility import unmet
from .contract.manifest import ManifestError
from .contract.strictjson import loads_object
from .handlers import Component, HandlerEnvironment
from .handlers.registry import entry_points
from .handlers.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint

    from .config import AgentConfig

HANDLER_NAME = "microsoft/steps:1"
ENTRY_POINTS = "odu_agent.enumerators"
_NAMES = tuple(field.name for field in fields(Component) if field.name != "properties")


class Enumerator(Protocol):
    """Lists the components of a device, as they are now."""

    def components(self) -> Iterable[Component]:
        """All of them; asked at each deployment, for parts come and go."""


class FileEnumerator:
    """Reads the components from a file, each time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def components(self) -> list[Component]:
        """What the file lists.

        Raises:
            ValueError: It is no inventory.
        """
        entries = loads_object(self._path.read_bytes()).get("components")
        if not isinstance(entries, list):
            raise ValueError("components must be an array")  # noqa: TRY004 - of a file's content
        return [_component(entry) for entry in entries]


def load_enumerator(config: AgentConfig) -> Enumerator | None:
    """The device's enumerator: the file of its settings, else the one plug-in that is installed.

    Raises:
        ManifestError: It cannot be loaded, or the settings choose none of several.
    """
    values = config.handler_settings.get(HANDLER_NAME, {})
    settings = Settings(values)
    try:
        path = settings.text("components", "")
        if path:
            return FileEnumerator(Path(path))
        entry = _choose(settings.text("enumerator", ""))
        if entry is None:
            return None
        folder = config.data_folder / "enumerator"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        properties = config.device_properties
        environment = HandlerEnvironment(entry.name, folder, values, properties, config.root)
        enumerator: Enumerator = entry.load()(environment)
    except Exception as error:
        # A plug-in is foreign code: whatever it raises must not end the agent.
        raise _failed(error) from error
    return enumerator


def select(enumerator: Enumerator, properties: Mapping[str, str]) -> list[Component]:
    """The components that a compatibility describes: each member of it must be theirs.

    Raises:
        ManifestError: They cannot be listed.
    """
    try:
        return [part for part in enumerator.components() if _matches(part, properties)]
    except Exception as error:
        # As above.
        raise _failed(error) from error


def _choose(name: str) -> EntryPoint | None:
    found = [entry for entry in entry_points(ENTRY_POINTS) if name in ("", entry.name)]
    if not found and not name:
        return None
    if len(found) != 1:
        names = ", ".join(sorted(entry.name for entry in found)) or "none"
        raise ValueError(f"enumerator must name one of those installed, found {names}")
    return found[0]


def _matches(component: Component, properties: Mapping[str, str]) -> bool:
    known = {**(component.properties or {}), **{name: getattr(component, name) for name in _NAMES}}
    return not unmet(properties, known)


def _component(entry: Any) -> Component:
    members = Settings(entry if isinstance(entry, dict) else {}, "components[].")
    texts = {name: members.text(name, None if name == "id" else "") for name in _NAMES}
    return Component(**texts, properties=members.texts("properties"))


def _failed(error: Exception) -> ManifestError:
    reason = str(error) if isinstance(error, (ValueError, OSError)) else type(error).__name__
    return ManifestError(Erc.ENUMERATOR_FAILED, f"the components cannot be listed: {reason:.300}")
