"""`./odu package`: the zip to deploy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from local.cli.options import parser

REPOSITORY = Path(__file__).parents[2]
_DESCRIPTION = """\
Build the deployment package: only what runs in the cloud, the same bytes for the same sources.
Deploy it with a remote build, which installs requirements.txt:

  func azure functionapp publish NAME          (from a checkout)
  az functionapp deployment source config-zip --build-remote true --src dist/open-device-update.zip
  ...
"""


def main(arguments: list[str]) -> int:
    """Run the command."""
    package = parser("package", _DESCRIPTION)
    package.add_argument(
        "--output",
        type=Path,
        default=REPOSITORY / "dist" / "open-device-update.zip",
        metavar="FILE",
        help="default: dist/open-device-update.zip",
    )
    package.add_argument("--json", action="store_true", help="print one JSON document")
    given = package.parse_args(arguments)
    from local.tools.package.build import build
    from local.tools.package.cold_start import cold_start_seconds

    built = build(REPOSITORY, given.output)
    seconds = cold_start_seconds(built.path)
    if given.json:
        facts = {
            "path": str(built.path),
            "sizeBytes": built.size_bytes,
            "sha256": built.sha256,
            "files": len(built.names),
            "coldStartSeconds": round(seconds, 3),
        }
        print(json.dumps(facts))
    else:
        print(f"{built.path}: {len(built.names)} files, {built.size_bytes:,} bytes")
        print(f"sha256 {built.sha256}")
        print(f"cold start (load and index, median of 5): {seconds:.2f} s", file=sys.stderr)
    return 0
