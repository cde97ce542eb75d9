"""Which names the files of an update may bear.

A name ends up in URLs, in manifests and in a folder of a device, whichever its file system: so the
rule is an allow list that is safe on all of them.
"""

from __future__ import annotations

import re

MAX_FILE_NAME_LENGTH = 255

_ALLOWED = re.compile(r"[A-Za-z0-9._~+@(),=^-][A-Za-z0-9 ._~+@(),=^-]*")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]) *(\..*)?")


def file_name_violation(name: str) -> str | None:
    """Say why a file name is refused, or return None when it is safe."""
    if not 1 <= len(name) <= MAX_FILE_NAME_LENGTH:
        return f"must have 1 to {MAX_FILE_NAME_LENGTH} characters"
    if not _ALLOWED.fullmatch(name):
        return "may hold only ASCII letters, digits, inner spaces and . _ ~ + @ ( ) , = ^ -"
    if name.startswith("-"):
        return "must not begin with a hyphen, which programs read as an option"
    if name.endswith((".", " ")):
        return "must not end with a dot or a space"
    if _RESERVED.fullmatch(name):
        return "is a device name on some systems"
    return None
