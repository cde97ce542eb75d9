from __future__ import annotations

import pytest

from shared.domain.updates.file_name import file_name_violation


@pytest.mark.parametrize(
    "name",
    [
        "apply.sh",
        "a",
        "image-1.2.3+build_4.swu",
        "release (final), v=2.bin",
        "...hidden",
        "console.txt",
        "com10",
        "x" * 255,
    ],
)
def test_file_name_is_allowed_when_safe_everywhere(name: str) -> None:
    assert file_name_violation(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../up",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "C:\\x",
        "C:x",
        "\\\\server\\share",
        "nul\0byte",
        "line\nbreak",
        "tab\tname",
        "bell\a",
        "del\x7f",
        "c1\x85",
        "right\u202eto-left.exe",
        "zero\u200bwidth",
        "line\u2028separator",
        "bom\ufeff",
        "full\uff0fwidth",
        "größe",
        "CON",
        "con.txt",
        "Aux .log",
        "PRN.",
        "nul.tar.gz",
        "COM1",
        "lpt9.bin",
        "trailing.",
        "trailing ",
        " leading",
        "-rf",
        "x" * 256,
        "stream:name",
        "wild*card",
        "question?",
        'quo"te',
        "pi|pe",
        "less<",
        "semi;colon",
        "dollar$",
        "tick`",
        "per%2fcent",
    ],
)
def test_file_name_is_refused_when_unsafe_somewhere(name: str) -> None:
    assert file_name_violation(name)
