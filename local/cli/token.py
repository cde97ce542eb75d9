"""`./odu token`: prints an access token for the REST API of the local stack."""

from __future__ import annotations

from local.cli.options import add_state, fail, parser
from local.stack.errors import NotRunning
from local.stack.roles import ROLES
from local.stack.running import Stack
from odu_cli.exit_codes import ExitCode


def main(arguments: list[str]) -> int:
    """Run the command."""
    token = parser("token", "Print an access token for the REST API, and nothing else, to stdout.")
    token.epilog = "roles: " + ", ".join(ROLES) + "; the prefix may be left out"
    add_state(token)
    token.add_argument(
        "--role",
        action="append",
        default=[],
        help="role to grant, e.g. 'Device Update Administrator' (the default); may be repeated",
    )
    token.add_argument("--instance", metavar="ID", help="grant the roles for one instance only")
    token.add_argument(
        "--lifetime", type=int, default=3600, metavar="S", help="seconds (default: %(default)s)"
    )
    given = token.parse_args(arguments)
    try:
        stack = Stack.load(given.state)
        text = stack.token(*given.role, instance=given.instance, lifetime_seconds=given.lifetime)
    except NotRunning as error:
        return fail(error, ExitCode.UNREACHABLE)
    except ValueError as error:
        return fail(error, ExitCode.USAGE)
    print(text)
    return 0
