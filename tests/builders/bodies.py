"""A body that fits for every operation that takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.http.route import Route


QUEUE = "import"
"""Where something about the other instance has failed for good."""

type Body = Callable[[dict[str, str]], Any]


def update_of(names: dict[str, str]) -> dict[str, Any]:
    return {"updateId": {part: names[part] for part in ("provider", "name", "version")}}


def source(url: str) -> dict[str, Any]:
    return {"url": url, "sizeInBytes": 1, "hashes": {"sha256": "0" * 43 + "="}}


def a_reason(_: dict[str, str]) -> Any:
    return {"reason": "why"}


def a_revision(_: dict[str, str]) -> Any:
    return {"revision": 1}


def whole_deployment(names: dict[str, str]) -> Any:
    return {
        "deploymentId": names["deploymentId"],
        "groupId": names["groupId"],
        "startDateTime": "2020-01-01T00:00:00Z",
        "update": update_of(names),
    }


def of_device_and_module(**bodies: Body) -> dict[str, Body]:
    """The bodies of operations that devices and modules have alike."""
    return {f"{name}_of_{noun}": it for name, it in bodies.items() for noun in ("device", "module")}


BODIES: dict[str, Body] = {
    "import_update": lambda names: [{"importManifest": source("https://example.com/a.json")}],
    "recall_update": a_reason,
    "make_delta": lambda names: {"sourceVersion": "0.9"},
    "start_upload": lambda names: {"files": [{"name": "a.bin"}]},
    "import_upload": lambda names: {"updates": [{"importManifest": "a.json"}]},
    "validate_import_manifest": lambda names: {"updateId": update_of(names)["updateId"]},
    "import_devices": lambda names: "All",
    "export_devices": lambda names: {"format": "csv"},
    **of_device_and_module(
        create_own_deployment=lambda names: {"update": update_of(names)},
        cancel_deployment=a_reason,
        retry_deployment=a_reason,
        exclude_deployment=a_reason,
        include_deployment=a_reason,
    ),
    "update_device_class": lambda names: {"friendlyName": "mine"},
    "start_log_collection": lambda names: {"deviceList": [{"deviceId": names["deviceId"]}]},
    "create_or_update_deployment": whole_deployment,
    "pause_deployment": a_reason,
    "resume_deployment": a_revision,
    "advance_deployment": lambda names: {"phase": 1},
    "abort_deployment": a_reason,
    "approve_deployment": a_revision,
    "reject_deployment": a_revision,
    "plan_deployment": whole_deployment,
    "replay_poison": lambda names: {"queue": QUEUE, "cause": "none"},
    "discard_poison": lambda names: {"queue": QUEUE, "cause": "none"},
}
"""What fits each operation and names the same things as its path."""


def body_of(route: Route, names: dict[str, str]) -> Any:
    return BODIES[route.name](names) if route.body is not None else None
