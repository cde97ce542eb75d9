"""Finds handlers by name: those of the agent, and those that other packages bring."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from ..contract.codes import Erc
from ..contract.manifest import ManifestError
from . import HandlerEnvironment
from .settings import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..config import AgentConfig
    from . import Handler

logger = logging.getLogger(__name__)

ENTRY_POINTS = "odu_agent.handlers"
STANDARD = {
    "microsoft/apt:1": "odu_agent.handlers.apt:create",
    "microsoft/script:1": "odu_agent.handlers.script:create",
    "microsoft/simulator:1": "odu_agent.handlers.simulator:create",
    "microsoft/swupdate:1": "odu_agent.handlers.image:create_swupdate",
    "microsoft/swupdate:2": "odu_agent.handlers.swupdate_script:create",
    "opendu/image:1": "odu_agent.handlers.image:create_raw",
    "opendu/rauc:1": "odu_agent.handlers.rauc:create",
}
"""The agent's own. They work where the agent's sources are run without being installed."""

SHARED_SETTINGS = {"microsoft/swupdate:1": "images", "opendu/image:1": "images"}
"""Handlers that share a member of `handlers` in du-config.json, as they share what it is about."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class HandlerRegistry(Mapping[str, "Handler"]):
    """The handlers of a device by name; each is loaded when it is first asked for.

    A package's entry point replaces the agent's own handler of the same name.
    """

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._loaded: dict[str, Handler] = {}
        self._entries: dict[str, metadata.EntryPoint] | None = None

    def __getitem__(self, name: str) -> Handler:
        """The handler of a name.

        Raises:
            KeyError: There is none.
            ManifestError: It cannot be loaded.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*STANDARD, *self._found()}))

    def __len__(self) -> int:
        return len({*STANDARD, *self._found()})

    def _found(self) -> dict[str, metadata.EntryPoint]:
        if self._entries is None:
            self._entries = {entry.name: entry for entry in entry_points(ENTRY_POINTS)}
        return self._entries

    def _load(self, name: str) -> Handler:
        entry = self._found().get(name)
        if entry is None and name not in STANDARD:
            raise KeyError(name)
        folder = handler_folder(self._config.data_folder / "handlers", name)
        try:
            create = entry.load() if entry is not None else _load_standard(name)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handler: Handler = create(
                HandlerEnvironment(
                    name=name,
                    folder=folder,
                    settings=self._config.handler_settings.get(SHARED_SETTINGS.get(name, name), {}),
                    device_properties=self._config.device_properties,
                    root=self._config.root,
                )
            )
        except Exception as error:
            # A plug-in is foreign code: whatever it raises must not end the agent.
            logger.warning("handler %s cannot be loaded", name, exc_info=error)
            reason = str(error) if isinstance(error, SettingError) else type(error).__name__
            message = f"the handler {name!r:.80} cannot be loaded: {reason}"
            raise ManifestError(Erc.HANDLER_CANNOT_LOAD, message) from None
        return handler


def entry_points(group: str) -> list[metadata.EntryPoint]:
    """What installed packages have registered in a group."""
    found: Any = metadata.entry_points()
    # Python 3.9 has a dictionary of groups here.
    entries = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return list(entries)


def _load_standard(name: str) -> Callable[[HandlerEnvironment], Handler]:
    module, _, member = STANDARD[name].partition(":")
    create: Callable[[HandlerEnvironment], Handler] = getattr(import_module(module), member)
    return create


def handler_folder(handlers: Path, name: str) -> Path:
    """The private folder of a handler, among those of all of them."""
    return handlers / _folder_name(name)


def _folder_name(name: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:64]
    if _PLAIN.fullmatch(name) and not name.startswith("."):
        return readable
    return f"{readable.lstrip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
