"""Names from a manifest, made safe before they get near a file system."""

from __future__ import annotations

import hashlib
import re

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def local_name(file_id: str) -> str:
    """The name under which a file is kept: its id where that is plain, else a hash of it."""
    if _PLAIN_ID.fullmatch(file_id):
        return file_id
    return hashlib.sha256(file_id.encode(errors="surrogatepass")).hexdigest()


def is_plain_file_name(name: str) -> bool:
    """Whether a manifest's file name is safe as the name of a file in a folder, on any system."""
    if not 0 < len(name.encode(errors="surrogatepass")) <= 255 or name != name.strip(" ."):
        return False
    if not all(character.isprintable() for character in name) or set(name) & set('/\\:*?"<>|'):
        return False
    stem = name.split(".")[0].upper()
    return re.fullmatch(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]", stem) is None
