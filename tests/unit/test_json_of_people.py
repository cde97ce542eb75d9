"""A byte order mark, as editors leave it before JSON that people write, is no content anywhere."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest
from odu_agent.apt.manifest import parse_apt_manifest
from odu_agent.components import FileEnumerator
from odu_agent.config import load_root_keys

from functions.call import Call
from local.cloud.functions_host.host_json import load_host_options
from local.cloud.functions_host.settings import load_local_settings
from odu_cli.rollouts.options import RolloutOptions
from shared.domain.access import Action, Principal
from shared.domain.updates.import_manifest import parse_import_manifest
from shared.http.route import Route
from shared.settings import read_settings
from tests.builders.settings import environment
from tests.unit.imports.builders import a_manifest

if TYPE_CHECKING:
    from collections.abc import Callable


def body_of_a_request(content: bytes) -> Any:
    request = func.HttpRequest(
        "PUT", "https://host/x", headers={"Content-Type": "application/json"}, body=content
    )
    route = Route("put", "PUT", "x", Action.MANAGEMENT_WRITE, "Put.", body=dict)
    call = Call(
        app=None,  # type: ignore[arg-type]  # reading a body needs none
        route=route,
        parts={},
        api_version="2022-10-01",
        request=request,
        principal=Principal("anna", ()),
        request_id="r",
    )
    return call.json()


def file_of(name: str, read: Callable[[Path], Any]) -> Callable[[Path, bytes], Any]:
    def written(folder: Path, content: bytes) -> Any:
        (folder / name).write_bytes(content)
        return read(folder / name)

    return written


def local_settings(path: Path) -> Any:
    found: dict[str, str] = {}
    load_local_settings(path.parent, found)
    return found


ROOTS = {"ROOT.1": {"n": "AQAB" * 100, "e": 65537}}
INSTANCES = json.loads(environment()["INSTANCES"])
APT = {"name": "toaster", "version": "1.0", "packages": [{"name": "toaster"}]}
INVENTORY = {"components": [{"id": "1", "name": "left", "properties": {}}]}
ROLLOUT = {"phases": [{"select": {"percent": 100}}]}
READERS: dict[str, tuple[Any, Callable[[Path, bytes], Any]]] = {
    "body of a request": ({"a": 1}, lambda _, content: body_of_a_request(content)),
    "import manifest": (a_manifest(), lambda _, content: parse_import_manifest(content).update_id),
    "apt manifest": (APT, lambda _, content: parse_apt_manifest(content)),
    "inventory of components": (
        INVENTORY,
        file_of("c.json", lambda path: FileEnumerator(path).components()),
    ),
    "root keys of the agent": (ROOTS, file_of("roots.json", load_root_keys)),
    "roll-out of the command line": (
        ROLLOUT,
        file_of("rollout.json", lambda path: RolloutOptions(rollout=path).document()),
    ),
    "setting INSTANCES": (
        INSTANCES,
        lambda _, content: read_settings(environment(INSTANCES=content.decode())).instances,
    ),
    "host.json": (
        {"version": "2.0"},
        file_of("host.json", lambda path: load_host_options(path.parent, {})),
    ),
    "local.settings.json": (
        {"Values": {"A": "file"}},
        file_of("local.settings.json", local_settings),
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_byte_order_mark_before_json_that_people_write_is_no_content(
    kind: str, tmp_path: Path
) -> None:
    document, read = READERS[kind]
    content = json.dumps(document).encode()

    plain = read(tmp_path, content)

    assert plain
    assert read(tmp_path, BOM_UTF8 + content) == plain
