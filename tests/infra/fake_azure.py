"""A resource manager on loopback, and an `az` that asks it: what the hooks of a deployment meet."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"

_AZ = f"""#!{sys.executable}
import json, os, sys, urllib.error, urllib.request

words = sys.argv[1:]
given = {{
    word[2:]: words[place + 1] for place, word in enumerate(words[:-1]) if word.startswith("--")
}}
body = None
if words[0] == "rest":
    method, path = given["method"].upper(), given["url"]
    if "body" in given:
        body = open(given["body"].removeprefix("@"), "rb").read()
elif words[:2] == ["account", "show"]:
    method, path = "GET", "/subscriptions/" + given["subscription"]
elif words[:3] == ["deployment", "group", "create"]:
    path = "/subscriptions/{{subscription}}/resourceGroups/{{resource-group}}/deployments/{{name}}"
    method, path = "PUT", path.format_map(given)
    said = words[words.index("--parameters") + 1 :]
    body = json.dumps(
        {{
            "template": open(given["template-file"]).read(),
            "parameters": dict(item.split("=", 1) for item in said),
        }}
    ).encode()
else:
    sys.exit(f"unknown: {{words}}")

request = urllib.request.Request(os.environ["ARM"] + path, body, method=method)
request.add_header("Words", json.dumps(words))
try:
    with urllib.request.urlopen(request) as answer:
        told = json.load(answer)
except urllib.error.HTTPError as error:
    sys.exit("ERROR: " + error.read().decode())
if given.get("output") == "tsv":
    # the only question that the hooks have: is the secret in this page, and what is the next
    assert given["query"].startswith("join(' ', [to_string(length(value[?name=='source-url-key']))")
    count = sum(item["name"] == "source-url-key" for item in told["value"])
    print(count, told.get("nextLink", ""))
elif given.get("output") != "none":
    print(json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What the resource manager was asked for, and the words of `az` that did it."""

    method: str
    path: str
    body: Any
    words: list[str]


@dataclass(slots=True)
class FakeAzure:
    """A subscription with a vault and an app.

    `refusals` are the answers (status and code) that the next requests of a method get instead of
    what they ask for; `pages` are the names of secrets, page by page.
    """

    asked: list[Request] = field(default_factory=list)
    refusals: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    pages: list[list[str]] = field(default_factory=lambda: [["tls"]])
    values: dict[str, str] = field(default_factory=dict)
    is_stored_when_refused: bool = False
    address: str = ""

    def methods(self) -> list[str]:
        """What was asked for after the subscription was looked up."""
        return [item.method for item in self.asked[1:]]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Take a request."""
        self.asked.append(request)
        parts = urlsplit(request.path)
        if not parts.path.startswith(f"/subscriptions/{SUBSCRIPTION}"):
            return 404, {"error": {"code": "SubscriptionNotFound"}}
        if parts.path.count("/") == 2:
            return 200, {"id": SUBSCRIPTION}
        refusals = self.refusals.get(request.method, [])
        refusal = refusals.pop(0) if refusals else None
        if refusal is None or self.is_stored_when_refused:
            self._store(request.method, parts.path, request.body)
        if refusal is not None:
            return refusal[0], {"error": {"code": refusal[1]}}
        if request.method == "GET":
            return 200, self._page(parts.path, parts.query)
        return 200, {}

    def _store(self, method: str, path: str, body: Any) -> None:
        if method == "PUT" and "/secrets/" in path:
            name = path.rpartition("/")[2]
            self.values[name] = body["properties"]["value"]
            self.pages[-1].append(name)

    def _page(self, path: str, query: str) -> dict[str, Any]:
        number = int(query.partition("page=")[2] or 0)
        more = number + 1 < len(self.pages)
        page: dict[str, Any] = {"value": [{"name": name} for name in self.pages[number]]}
        return page | ({"nextLink": f"{path}?page={number + 1}"} if more else {})


@contextmanager
def serving(azure: FakeAzure, folder: Path) -> Iterator[FakeAzure]:
    """Serve it, with `az` in a folder."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            words = json.loads(self.headers["Words"])
            status, told = azure.answer(Request(self.command, self.path, body, words))
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _handle  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Keep quiet."""

    tool = folder / "az"
    tool.write_text(_AZ)
    tool.chmod(0o755)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        azure.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield azure
        finally:
            server.shutdown()
            thread.join()
