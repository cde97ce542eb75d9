"""The seam to Microsoft's Python worker library, the one that runs functions in the cloud.

Nothing else in the host touches the library. Indexing goes through its ordinary init request, and
invocation through its protobuf-free entry, whose values (`Datum`) are opaque to the rest of the
host. The library keeps the index in module globals: one app per process.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native

from local.cloud.functions_host.errors import StartError

_own_invocation: ContextVar[str | None] = ContextVar("host_invocation", default=None)


class _ProtoStub:
    """A protobuf message as far as indexing needs one: the keyword arguments it was made with."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _StatusResult(_ProtoStub):
    Failure, Success, Cancelled = 0, 1, 2


class _BindingInfo(_ProtoStub):
    undefined, out, inout = 0, 1, 2


_PROTOS = SimpleNamespace(
    BindingInfo=_BindingInfo,
    StatusResult=_StatusResult,
    WorkerInitResponse=_ProtoStub,
    WorkerMetadata=_ProtoStub,
    FunctionMetadataResponse=_ProtoStub,
    RpcFunctionMetadata=_ProtoStub,
    RpcRetryOptions=_ProtoStub,
    RpcException=_ProtoStub,
)


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """A function as the worker reports it: its bindings have the shape of function.json."""

    name: str
    function_id: str
    bindings: tuple[dict[str, Any], ...]
    retry: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an HTTP function answers; cookies are complete Set-Cookie values."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended: its return value and the output parameters that were set."""

    invocation_id: str
    ok: bool
    result: Any = None
    outputs: tuple[tuple[str, Any], ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation to make: the trigger's parameter and data, and what goes with it."""

    function_id: str
    parameter: str
    data: Any
    metadata: Mapping[str, Any]
    trace_parent: str = ""
    trace_state: str = ""
    retry_count: int = 0
    max_retry_count: int = 0


class Worker:
    """Loads one function app and runs its functions."""

    def __init__(self) -> None:
        self._running: dict[str, str] = {}

    async def load(self, app: Path) -> tuple[IndexedFunction, ...]:
        """Start the thread pool, import and index the app; its faults become a `StartError`."""
        sys.path.insert(0, str(app))
        runtime.start_threadpool_executor()
        request = SimpleNamespace(
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(
                    capabilities={}, function_app_directory=str(app)
                )
            ),
            properties={"host": "127.0.0.1", "protos": _PROTOS},
        )
        answer = await runtime.worker_init_request(request)
        if answer.result.status != _StatusResult.Success:
            fault = answer.result.exception
            raise StartError(f"the app cannot be indexed: {fault.message}", fault.stack_trace)
        metadata = await runtime.functions_metadata_request(request)
        if not metadata.function_metadata_results:
            raise StartError(f"{app}: no functions found (is there a function_app.py?)")
        return tuple(_indexed(item) for item in metadata.function_metadata_results)

    async def invoke(self, function_name: str, call: Call) -> Outcome:
        """Run one function once; an exception of the function is an outcome, not an error here."""
        invocation_id = str(uuid.uuid4())
        self._running[invocation_id] = function_name
        token = _own_invocation.set(invocation_id)
        try:
            ok, result, outputs, error, _ = await invocation_request_native(
                invocation_id,
                call.function_id,
                [(call.parameter, call.data)],
                dict(call.metadata),
                trace_parent=call.trace_parent,
                trace_state=call.trace_state,
                retry_count=call.retry_count,
                max_retry_count=call.max_retry_count,
            )
        finally:
            _own_invocation.reset(token)
            del self._running[invocation_id]
        return Outcome(
            invocation_id=invocation_id, ok=ok, result=result, outputs=tuple(outputs), error=error
        )

    def current(self) -> tuple[str, str] | None:
        """Return the function name and invocation id that the calling code runs under, if any."""
        invocation_id = _own_invocation.get() or runtime.invocation_id_cv.get()
        if invocation_id is None:
            return None
        return self._running.get(invocation_id, "-"), invocation_id

    def stop(self) -> None:
        """Wait for the running synchronous functions and end the thread pool."""
        runtime.stop_threadpool_executor()


def _indexed(item: Any) -> IndexedFunction:
    return IndexedFunction(
        name=item.name,
        function_id=item.function_id,
        bindings=tuple(json.loads(binding) for binding in item.raw_bindings),
        retry=None if item.retry_options is None else dict(vars(item.retry_options)),
    )


def text_datum(value: str) -> Any:
    """Wrap a string."""
    return Datum(value, "string")


def bytes_datum(value: bytes) -> Any:
    """Wrap raw bytes."""
    return Datum(value, "bytes")


def json_datum(value: Any) -> Any:
    """Wrap a value as its JSON text."""
    return Datum(json.dumps(value), "json")


def bytes_list_datum(values: Sequence[bytes]) -> Any:
    """Wrap a batch of raw bytes."""
    return Datum(SimpleNamespace(bytes=list(values)), "collection_bytes")


def http_datum(
    method: str,
    url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    params: Mapping[str, str],
    body: bytes,
) -> Any:
    """Wrap an HTTP request; `params` are the values of the route."""
    return Datum(
        {
            "method": text_datum(method),
            "url": text_datum(url),
            "headers": {name: text_datum(value) for name, value in headers.items()},
            "query": {name: text_datum(value) for name, value in query.items()},
            "params": {name: text_datum(value) for name, value in params.items()},
            "body": bytes_datum(body),
        },
        "http",
    )


def http_answer(result: Any) -> HttpAnswer:
    """Read the result of an HTTP function; a bare string is an answer of 200."""
    if result.type != "http":
        body = result.value.encode() if isinstance(result.value, str) else bytes(result.value)
        return HttpAnswer(200, {"Content-Type": "text/plain; charset=utf-8"}, (), body)
    value = result.value
    body = value["body"].value
    return HttpAnswer(
        status=int(value["status_code"].value),
        headers={name: datum.value for name, datum in value["headers"].items()},
        cookies=_cookie_lines(value.get("cookies") or ()),
        body=body.encode() if isinstance(body, str) else body,
    )


def queue_messages(value: Any) -> list[bytes]:
    """Read the value of a queue output: one body for each message to send."""
    if value is None or value.value is None:
        return []
    if value.type == "bytes":
        return [value.value]
    if value.type == "string":
        return [value.value.encode()]
    content = json.loads(value.value) if value.type == "json" else value.value
    return [_message_body(item) for item in (content if isinstance(content, list) else [content])]


def _message_body(item: Any) -> bytes:
    if isinstance(item, dict) and set(item) == {"id", "body"}:
        # This is how the library writes a func.QueueMessage.
        item = item["body"]
    return (item if isinstance(item, str) else json.dumps(item)).encode()


def _cookie_lines(cookies: Sequence[SimpleCookie]) -> tuple[str, ...]:
    return tuple(morsel.OutputString() for cookie in cookies for morsel in cookie.values())
