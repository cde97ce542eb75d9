"""Path patterns of blob triggers, such as `quarantine/{instance}/{operation}/scan.json`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.cloud.functions_host.errors import StartError

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class BlobPattern:
    """A compiled path pattern; a placeholder may span slashes, as in the real host."""

    expression: re.Pattern[str]

    def match(self, container: str, name: str) -> dict[str, str] | None:
        """Return the placeholder values for a blob, or None when the pattern does not cover it."""
        found = self.expression.fullmatch(f"{container}/{name}")
        return None if found is None else found.groupdict()


def parse_blob_pattern(path: str) -> BlobPattern:
    """Compile a binding's `path`; a container alone covers all of its blobs."""
    pattern = path.strip("/")
    expression = ""
    names: set[str] = set()
    for token in _TOKEN.finditer(pattern):
        text, name = token[0], token[1]
        if name is not None and name not in names:
            names.add(name)
            expression += f"(?P<{name}>.*)"
        elif name is not None or text in "{}":
            raise StartError(f"blob path {path}: {text!r} is not valid here")
        else:
            expression += re.escape(text.replace("{{", "{").replace("}}", "}"))
    if not pattern:
        raise StartError("blob path: it is empty")
    if "/" not in pattern:
        expression += "/.*"
    return BlobPattern(re.compile(expression, re.DOTALL))
