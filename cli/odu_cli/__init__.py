"""The command line of Open Device Update: `odu`, for operators and for pipelines.

A package of its own, for Python 3.11 and later: it knows the REST API, and where that is not enough
the storage and the key vault of a service, but neither the service nor the local stack. Where a
command goes is a value, `target.ServiceTarget`; a local stack hands it over in its `stack.json`.

What it shares with the service (the rules for import manifests, the wire contract, the keyring) it
imports from `shared`; `hatch_build.py` packages those modules with it, under `odu_cli._shared`.

To add a command:

1. Write a function in the module of its noun in `commands/` (a new noun is a new module with an
   `app` made by `command_group`, and a line in `main.NOUNS` and in `./odu`).
2. Declare it with `@command(app, "verb")`. It takes the `Session` and its own options as Typer
   annotations. An `async` one finds the client in `session.rest`, connected and signed in.
3. Print with `session.output`: `document` when `is_json` (one JSON document, nothing else on
   stdout), else `fields`, `table` or `listing`; `done` and `note` go to stderr.
4. Fail with `Refused(ExitCode.…, sentence)`. Errors of the API, of the network and of files already
   have a sentence and an exit code, in `failures.py`. Ask before something is lost:
   `session.confirm`, with `YesOption`.
5. Import HTTP clients, SDKs and rich where they are used, inside functions: `--help` must be fast.
   Test it in `tests/unit/cli` against the stand-in service there.
"""

from __future__ import annotations

import os

PROGRAM = os.environ.get("ODU_PROGRAM") or "odu"
"""How the user calls the program, for hints that can be copied: `./odu` in a checkout."""
