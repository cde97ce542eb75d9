"""Say in one line, and with one code, why apt did not do what it was asked.

apt's and dpkg's words are read in the C locale. What dpkg says of single packages comes from apt's
status descriptor; the lists of packages that apt refuses to touch come from its output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..contract.codes import Erc, ResultCode
from ..handlers import CANCELLED, StepResult
from ..processes import Ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..processes import Completed

_MOST_CHARACTERS = 400
_SECTIONS = (
    (
        "The following packages will be DOWNGRADED:",
        Erc.APT_DOWNGRADE_REFUSED,
        "would be downgraded",
    ),
    ("The following held packages will be changed:", Erc.APT_PACKAGE_HELD, "held"),
)
_UNMET = "The following packages have unmet dependencies:"
_ERROR = re.compile(r"^E: (.*)$", re.MULTILINE)
_NOISE = ("Sub-process /usr/bin/dpkg returned an error code", "Unable to correct problems")


class PackageErrors:
    """Takes the lines of apt's status descriptor and keeps what went wrong, by package."""

    def __init__(self) -> None:
        self.by_package: dict[str, str] = {}

    def __call__(self, line: str) -> None:
        """Take a line: `pmerror:<package>:<percent>:<message>` is kept."""
        kind, _, rest = line.partition(":")
        if kind == "pmerror":
            subject, _, text = rest.partition(":")
            percent, _, message = text.partition(":")
            if not re.fullmatch(r"[0-9.]+", percent):
                # The name had an architecture: name:arch:percent:message.
                subject, message = f"{subject}:{percent}", message.partition(":")[2]
            self.by_package[subject.rsplit("/", 1)[-1].split("_")[0]] = message.strip()


def failure(default: Erc, completed: Completed, errors: PackageErrors | None = None) -> StepResult:
    """The result of a run of apt that was no success."""
    if completed.ending is Ending.CANCELLED:
        return CANCELLED
    if completed.ending is Ending.TIMED_OUT:
        return failed(default, "apt did not end within its time limit")
    output = completed.output
    if "No space left on device" in output or "enough free space" in output:
        return failed(Erc.NO_SPACE, "there is no space left for the packages")
    for heading, code, words in _SECTIONS:
        names = _section(output, heading)
        if names:
            return failed(code, f"{words}: {' '.join(names)}")
    if errors is not None and errors.by_package:
        broken = "; ".join(f"{name}: {text}" for name, text in errors.by_package.items())
        return failed(default, broken)
    unmet = _section(output, _UNMET, keep_lines=True)
    if unmet:
        return failed(default, "unmet dependencies: " + "; ".join(unmet))
    found = [text for text in _ERROR.findall(output) if not text.startswith(_NOISE)]
    return failed(default, "; ".join(found) or completed.last_line or "apt failed without a word")


def failed(code: Erc, details: str) -> StepResult:
    """A failure with one code and one line."""
    line = " ".join(details.split())
    if len(line) > _MOST_CHARACTERS:
        line = line[: _MOST_CHARACTERS - 1] + "…"
    return StepResult(ResultCode.FAILURE, (code,), line)


def _section(output: str, heading: str, *, keep_lines: bool = False) -> Sequence[str]:
    """The indented lines below a heading, as names or as they are."""
    _, found, rest = output.partition(heading + "\n")
    if not found:
        return []
    lines = []
    for line in rest.splitlines():
        if not line.startswith(" "):
            break
        lines.append(" ".join(line.split()))
    return lines if keep_lines else " ".join(lines).split()
