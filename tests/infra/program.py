"""What the program needs of a deployment, read from the program itself."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.domain.errors import InvalidInput
from shared.settings import read_settings

REPOSITORY = Path(__file__).parents[2]
HOST_STORAGE = "AzureWebJobsStorage"
LOCAL_ONLY = frozenset(
    {
        "STATE",
        "CONTENT",
        "TWINS",
        HOST_STORAGE,
        "EVENTS_TOPIC_KEY",
        "CUSTOMER_TOPIC_KEY",
        "SIGNING_DIRECTORY",
        "FETCH_ALLOW_LOOPBACK",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
)
"""Settings with keys, files or leave that a deployment must not have."""
RELAYED_SOURCES = frozenset({"TwinChangeEvents", "DeviceLifecycleEvents"})
"""What `shared.services.devices.relay` makes use of; all else that a hub can route it drops."""
_TELEMETRY = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_CLIENT_ID",
}
_IDENTITY = ("credential", "clientId")
_PARTS = {
    "queueTrigger": ("queueServiceUri", *_IDENTITY),
    "blobTrigger": ("blobServiceUri", "queueServiceUri", *_IDENTITY),
    "eventHubTrigger": ("fullyQualifiedNamespace", *_IDENTITY),
}
_LIST = """
import json, function_app
functions = function_app.app.get_functions()
print(json.dumps([
    {
        "function": function.get_function_name(),
        "event": getattr(
            function.get_user_function().__annotations__.get("event"), "__name__", ""
        ),
        **json.loads(json.dumps(function.get_trigger().get_dict_repr(), default=str)),
    }
    for function in functions
]))
"""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What runs a function: the kind of trigger and what it names."""

    function: str
    kind: str
    event: str
    """The class that an event arrives as."""
    facts: Mapping[str, str]


@cache
def triggers() -> tuple[Trigger, ...]:
    """The triggers of the function app; an app can be indexed once in a process."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return tuple(
        Trigger(
            item["function"],
            item["type"],
            item["event"],
            {key: str(value) for key, value in item.items()},
        )
        for item in json.loads(done.stdout.splitlines()[-1])
    )


def named(kind: str, fact: str) -> set[str]:
    """What the triggers of a kind name."""
    return {item.facts[fact] for item in triggers() if item.kind == kind}


@cache
def log_texts() -> frozenset[str]:
    """What the program writes into its log, as formats."""
    calls = (
        node
        for folder in ("functions", "shared")
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")
    )
    return frozenset(
        str(call.args[0].value)
        for call in calls
        if call.args and isinstance(call.args[0], ast.Constant)
    )


@cache
def platform_settings() -> frozenset[str]:
    """The settings that the Functions host and the SDKs read: each connection with an identity."""
    found = {
        f"{item.facts['connection']}__{part}"
        for item in triggers()
        for part in _PARTS.get(item.kind, ())
    }
    host = ("blobServiceUri", "queueServiceUri", "tableServiceUri", *_IDENTITY)
    return frozenset(found | {f"{HOST_STORAGE}__{part}" for part in host} | _TELEMETRY)


class _Recorder(Mapping[str, str]):
    """An environment that remembers which settings were asked for."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._settings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)


def read(settings: Mapping[str, str]) -> tuple[set[str], str]:
    """Give settings to the program: those that it asks for, and its complaint."""
    recorder = _Recorder(settings)
    try:
        read_settings(recorder)
    except InvalidInput as error:
        return recorder.asked, str(error)
    return recorder.asked, ""
