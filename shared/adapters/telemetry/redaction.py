"""Takes secrets out of text that others have written, such as the messages of foreign errors."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"""
    (?P<name>
        \b(?:sig|code|key|token|client_secret|password)=            # queries
      | \b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=      # connection strings
      | \bBearer\s+                                                  # headers
    )
    [^\s&;,'"<>|]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")


def redacted(text: str) -> str:
    """The text with `***` in place of each secret."""
    return _JWT.sub("***", _SECRETS.sub(r"\g<name>***", text))
