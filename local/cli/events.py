"""`./odu events`: what customers of the local stack were told, and the schema of it."""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from local.cli.options import add_state, fail, parser
from local.stack.errors import NotRunning
from local.stack.running import Stack
from odu_cli.output import moment, plain

_TIMEOUT_SECONDS = 30
_PAUSE_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Run the command."""
    events = parser("events", "Print the events that the local stack has published for customers.")
    events.epilog = "docs/events.md says what they are; docs/events.schema.json is from --schema."
    add_state(events)
    events.add_argument("--follow", "-f", action="store_true", help="go on as more are published")
    events.add_argument("--json", action="store_true", help="print JSON lines, whole events")
    events.add_argument("--schema", action="store_true", help="print their JSON schema instead")
    given = events.parse_args(arguments)
    if given.schema:
        sys.stdout.write(schema_text())
        return 0
    try:
        _print(given)
    except (NotRunning, OSError) as error:
        return fail(error)
    return 0


def schema_text() -> str:
    """The schema as it is printed and committed."""
    from shared.domain.events.schema import schema

    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _print(given: argparse.Namespace) -> None:
    for event in published(Stack.load(given.state), follow=given.follow):
        print(json.dumps(event) if given.json else _line(event), flush=True)


def published(stack: Stack, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Yield what was published, the oldest first, and what will be, if asked."""
    context = ssl.create_default_context(cafile=stack.ca_file)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    after = 0
    while True:
        request = urllib.request.Request(  # noqa: S310 (an https URL of the stack)
            f"{stack.event_grid_endpoint}/admin/events?after={after}",
            headers={"aeg-admin-key": stack.event_grid_admin_key},
        )
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            page = json.load(answer)
        yield from page["value"]
        after = page["next"]
        if not page["value"]:
            if not follow:
                return
            time.sleep(_PAUSE_SECONDS)


def _line(event: dict[str, Any]) -> str:
    kind = event["type"].removeprefix("OpenDeviceUpdate.")
    code = event["data"].get("code", "")
    return f"{moment(event['time'])}  {kind:<19} {plain(event['subject'])} {plain(code)}".rstrip()
