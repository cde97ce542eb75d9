"""REST: updates, their files and the operations that import them."""

from collections.abc import Callable
from http import HTTPStatus

import azure.functions as func

from functions.api import Answer, Call, empty_answer, json_answer, operation
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.domain.import_request import parse_import_request
from shared.domain.update import Update
from shared.domain.update_id import UpdateId
from shared.http import wire
from shared.ports import Page, Stored

bp = func.Blueprint()

_UPDATE = "updates/providers/{provider}/names/{name}/versions/{version}"
_POLL_SECONDS = "1"


@operation(bp, "POST", "updates:import", Action.UPDATES_WRITE)
async def import_update(call: Call) -> Answer:
    """Start the import of one update, or of a parent and the children it refers to."""
    items = parse_import_request(call.body())
    trace_id = call.app.clock.fresh_id()
    identity = await call.app.imports.start(call.instance, items, trace_id)
    location = wire.path(
        call.instance, "updates", "operations", identity, **{"api-version": call.api_version}
    )
    return empty_answer(
        HTTPStatus.ACCEPTED, {"Operation-Location": location, "Retry-After": _POLL_SECONDS}
    )


@operation(bp, "GET", "updates", Action.UPDATES_READ)
async def list_updates(call: Call) -> Answer:
    """List updates."""
    page = await call.app.updates.list(call.instance, token=call.query("token"))
    return _page(call, ["updates"], page, [wire.update(item) for item in page.items])


@operation(bp, "GET", _UPDATE, Action.UPDATES_READ)
async def get_update(call: Call) -> Answer:
    """Read an update."""
    return _conditional(call, wire.update(await _stored(call)))


@operation(bp, "GET", "updates/providers", Action.UPDATES_READ)
async def list_providers(call: Call) -> Answer:
    """List the providers of updates."""
    return await _names(call, lambda item: item.update_id.provider)


@operation(bp, "GET", "updates/providers/{provider}/names", Action.UPDATES_READ)
async def list_names(call: Call) -> Answer:
    """List the names of a provider's updates."""
    provider = call.part("provider")
    return await _names(call, lambda item: item.update_id.name, provider)


@operation(bp, "GET", "updates/providers/{provider}/names/{name}/versions", Action.UPDATES_READ)
async def list_versions(call: Call) -> Answer:
    """List the versions of an update."""
    return await _names(
        call, lambda item: item.update_id.version, call.part("provider"), call.part("name")
    )


@operation(bp, "GET", _UPDATE + "/files", Action.UPDATES_READ)
async def list_files(call: Call) -> Answer:
    """List the ids of an update's files."""
    stored = await _stored(call)
    return json_answer(wire.page([file.file_id for file in stored.value.files], None))


@operation(bp, "GET", _UPDATE + "/files/{fileId}", Action.UPDATES_READ)
async def get_file(call: Call) -> Answer:
    """Read what is known of a file."""
    stored = await _stored(call)
    for file in stored.value.files:
        if file.file_id == call.part("fileId"):
            return _conditional(call, wire.update_file(file, wire.etag(stored)))
    raise NotFound(f"The update has no file '{call.part('fileId')}'.", target="fileId")


@operation(bp, "GET", "updates/operations", Action.UPDATES_READ)
async def list_update_operations(call: Call) -> Answer:
    """List import operations, newest first."""
    page = await call.app.operations.list(call.instance, call.query("token"))
    items = [
        wire.operation(call.instance, item, call.api_version)
        for item in page.items
        if item.value.kind == "import"
    ]
    return _page(call, ["updates", "operations"], page, items)


@operation(bp, "GET", "updates/operations/{operationId}", Action.UPDATES_READ)
async def get_update_operation(call: Call) -> Answer:
    """Read how an import is doing."""
    identity = call.part("operationId")
    stored = await call.app.operations.get(call.instance, identity)
    if stored is None:
        raise NotFound(f"Operation '{identity}' does not exist.", target="operationId")
    body = wire.operation(call.instance, stored, call.api_version)
    return _conditional(call, body, {"Retry-After": _POLL_SECONDS})


async def _stored(call: Call) -> Stored[Update]:
    update_id = UpdateId(call.part("provider"), call.part("name"), call.part("version"))
    stored = await call.app.updates.get(call.instance, update_id)
    if stored is None:
        raise NotFound(f"Update '{update_id}' does not exist.", target="updateId")
    return stored


async def _names(
    call: Call,
    name_of: Callable[[Update], str],
    provider: str | None = None,
    name: str | None = None,
) -> Answer:
    """The distinct names among updates, in their order."""
    seen: dict[str, None] = {}
    token: str | None = None
    while True:
        page = await call.app.updates.list(call.instance, provider=provider, name=name, token=token)
        seen.update(dict.fromkeys(name_of(item.value) for item in page.items))
        token = page.token
        if token is None:
            break
    if not seen and provider is not None:
        raise NotFound(f"There are no updates of '{provider}' '{name or ''}'.", target="provider")
    return json_answer(wire.page(list(seen), None))


def _page(call: Call, segments: list[str], page: Page[object], items: list[wire.Json]) -> Answer:
    following = (
        wire.path(
            call.instance, *segments, **{"api-version": call.api_version, "token": page.token}
        )
        if page.token
        else None
    )
    return json_answer(wire.page(items, following))


def _conditional(call: Call, body: wire.Json, headers: dict[str, str] | None = None) -> Answer:
    """The body with its ETag, or 304 if the caller has it already."""
    tag = body.get("etag", "")
    given = call.request.headers.get("If-None-Match")
    if given and given in (tag, "*"):
        return empty_answer(HTTPStatus.NOT_MODIFIED, {"ETag": tag})
    return json_answer(body, headers={"ETag": tag, **(headers or {})})
