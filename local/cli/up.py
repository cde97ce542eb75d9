"""`./odu up`: starts the local stack and keeps it running until Ctrl-C, SIGTERM or `./odu down`."""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from local.cli.options import DEFAULT_STATE, fail, parser
from local.stack.errors import AlreadyRunning, NotRunning, StackError
from local.stack.running import Stack, import_path, up_command
from local.stack.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

_DESCRIPTION = """\
Start the local stack on loopback and keep it running: Azurite, the token issuer, the Event Grid and
IoT Hub stand-ins, and the Functions host with the service. Once all is ready, the one line
"ready ENDPOINT" is printed to stdout and <state>/stack.json tells where everything is.
"""
_EXIT_CODES = """\
exit codes: 0 stopped on request, 1 could not start, 4 a stack with this state already runs,
5 a part crashed again and again
"""
_POLL_SECONDS = 0.1
CONSOLE = "console"


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    if given.ephemeral:
        if given.state is None:
            given.state = Path(tempfile.mkdtemp(prefix="odu-"))
        elif given.state.exists() and (not given.state.is_dir() or any(given.state.iterdir())):
            return fail(f"{given.state} is not empty: --ephemeral would remove what is in it")
        given.remove_state = True
    state = StateDirectory((given.state or DEFAULT_STATE).resolve())
    if given.detach:
        return _detach(given, state)
    try:
        return _run(given, state)
    finally:
        if given.remove_state:
            shutil.rmtree(state.path)


def _parse(arguments: list[str]) -> argparse.Namespace:
    up = parser("up", _DESCRIPTION)
    up.epilog = _EXIT_CODES
    up.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help=f"where keys, ports, data and logs are kept (default: {DEFAULT_STATE})",
    )
    up.add_argument(
        "--ephemeral",
        action="store_true",
        help="start with no state, in a temporary directory or in an empty or new --state DIR, "
        "and remove it at the end",
    )
    up.add_argument(
        "--detach", action="store_true", help="return once ready; stop it with ./odu down"
    )
    up.add_argument("--port", type=int, metavar="N", help="port of the REST API")
    up.add_argument(
        "--sku",
        choices=("F1", "S1", "S2", "S3"),
        default="S1",
        help="tier of the hub (default: S1)",
    )
    up.add_argument("--units", type=_positive, default=1, metavar="N", help="units of the hub")
    up.add_argument("--throttle", action="store_true", help="enforce the hub's throttling limits")
    up.add_argument(
        "--instance",
        type=_instance,
        action="append",
        default=[],
        metavar="NAME",
        help="a further instance besides 'local', with a hub of its own; may be repeated; later "
        "starts with the same state keep it",
    )
    up.add_argument(
        "--otlp",
        type=_collector,
        metavar="URL",
        help="send traces, metrics and logs to this OpenTelemetry collector (OTLP over HTTP, "
        "usually http://localhost:4318), or with 'console' into the log of the host",
    )
    up.add_argument("--leash", action="store_true", help=argparse.SUPPRESS)
    up.add_argument("--remove-state", action="store_true", help=argparse.SUPPRESS)
    return up.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _collector(text: str) -> str:
    if text != CONSOLE and not re.fullmatch(r"https?://[^\s/@]+(/[^\s@]*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither an http(s) address nor 'console'")
    return text


def _instance(text: str) -> str:
    if not re.fullmatch("[a-z0-9](-?[a-z0-9]){2,35}", text) or text == "local":
        raise argparse.ArgumentTypeError(
            f"{text!r} is not 3 to 36 lower-case letters, digits and dashes, or is taken"
        )
    return text


def _run(given: argparse.Namespace, state: StateDirectory) -> int:
    from local.cli.progress import ProgressLines  # here, so that --help need not wait for these
    from local.stack.parts import Options
    from local.stack.supervisor import run

    further = tuple(dict.fromkeys(given.instance))
    options = Options(
        sku=given.sku,
        units=given.units,
        throttle=given.throttle,
        port=given.port,
        otlp=given.otlp,
        further_instances=further,
    )
    try:
        run(state, options, ProgressLines(), _announce, leash=given.leash)
    except AlreadyRunning as error:
        return fail(f"{error}{_missing_instances(state, further)}", error.exit_code)
    except StackError as error:
        return fail(error, error.exit_code)
    except KeyboardInterrupt:
        return 130
    return 0


def _missing_instances(state: StateDirectory, wanted: Sequence[str]) -> str:
    """How to get the instances that the running stack lacks."""
    try:
        missing = [name for name in wanted if name not in Stack.load(state.path).hubs]
    except NotRunning:  # it is starting or stopping
        missing = list(wanted)
    if not missing:
        return ""
    options = " ".join(f"--instance {name}" for name in missing)
    return (
        f" without the instance {', '.join(missing)}; instances are made at the start: "
        f"./odu down, then ./odu up {options}"
    )


def _announce(endpoint: str) -> None:
    from local.console.build import Console

    console = Console()
    state = "" if console.is_current() else " (being built)" if console.is_being_built() else None
    where = f"{endpoint}/console/{state}" if state is not None else f"not built: {console.log}"
    print("• the console:", where, file=sys.stderr, flush=True)
    print("ready", endpoint, flush=True)


def _detach(given: argparse.Namespace, state: StateDirectory) -> int:
    """Run the supervisor in a session of its own; follow its log until it is ready or fails."""
    state.create()
    options = ["--sku", given.sku, "--units", str(given.units)]
    options += ["--throttle"] if given.throttle else []
    options += ["--remove-state"] if given.remove_state else []
    options += [word for name in given.instance for word in ("--instance", name)]
    options += [] if given.otlp is None else ["--otlp", given.otlp]
    options += [] if given.port is None else ["--port", str(given.port)]
    log = state.log / "supervisor.log"
    with log.open("ab") as writer, log.open("rb") as reader:
        reader.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            up_command(state, options),
            env=import_path(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writer,
            start_new_session=True,
        )
        try:
            ready = _follow(process, reader)
        except KeyboardInterrupt:
            process.terminate()
            return 130
    if not ready.startswith(b"ready "):
        return process.wait()
    sys.stdout.write(ready.decode())
    return 0


def _follow(process: subprocess.Popen[bytes], log: BinaryIO) -> bytes:
    """Copy the log to stderr until the process prints a line, or ends; return the line."""
    assert process.stdout is not None
    while True:
        readable, _, _ = select.select([process.stdout], [], [], _POLL_SECONDS)
        line = process.stdout.readline() if readable else b""
        sys.stderr.write(log.read().decode(errors="replace"))
        sys.stderr.flush()
        if readable:
            return line
