"""`./odu openapi`: prints the OpenAPI document of the REST API."""

from __future__ import annotations

import sys

from local.cli.options import parser


def main(arguments: list[str]) -> int:
    """Run the command."""
    openapi = parser("openapi", "Print the OpenAPI document of the REST API.")
    openapi.epilog = "docs/openapi.json is the output of this command, and a test compares them."
    openapi.parse_args(arguments)
    from functions.api_description import description  # loads the service: --help need not wait

    sys.stdout.write(description())
    return 0
