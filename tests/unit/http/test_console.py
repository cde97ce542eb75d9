"""How the console's files are chosen, encoded and labelled."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from shared.http.console import ConsoleFiles, blob_origin
from shared.settings import Connection

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = "assets/app-1a2b.js"


@pytest.fixture
def files(tmp_path: Path) -> ConsoleFiles:
    folder = tmp_path / "built"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(b"<html>")
    (folder / SCRIPT).write_bytes(b"plain")
    (folder / f"{SCRIPT}.br").write_bytes(b"brotli")
    (folder / f"{SCRIPT}.gz").write_bytes(b"gzip")
    (tmp_path / "secret").write_bytes(b"not of the console")
    return ConsoleFiles(folder)


@pytest.mark.parametrize(
    ("accepted", "body", "encoding"),
    [
        ("gzip, deflate, br", b"brotli", "br"),
        ("gzip;q=1.0", b"gzip", "gzip"),
        ("identity", b"plain", None),
        ("", b"plain", None),
    ],
)
def test_the_best_encoding_that_the_caller_takes_is_sent(
    files: ConsoleFiles, accepted: str, body: bytes, encoding: str | None
) -> None:
    answer = files.answer(SCRIPT, {"accept-encoding": accepted})

    assert answer.body == body
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_each_encoding_has_an_etag_of_its_own_that_is_recognised(files: ConsoleFiles) -> None:
    tags = {}
    for accepted in ("br", "gzip", ""):
        request = {"accept-encoding": accepted}
        tags[accepted] = files.answer(SCRIPT, request).headers["ETag"]
        again = files.answer(SCRIPT, {**request, "if-none-match": tags[accepted]})
        assert (again.status, again.body) == (HTTPStatus.NOT_MODIFIED, b"")

    assert len(set(tags.values())) == 3


@pytest.mark.parametrize("path", ["", "devices", "devices/a%2Fb", "../secret", "/etc/passwd"])
def test_what_is_no_file_is_a_page_of_the_console(files: ConsoleFiles, path: str) -> None:
    answer = files.answer(path, {})

    assert (answer.status, answer.body) == (HTTPStatus.OK, b"<html>")
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["assets/app-0000.js", f"{SCRIPT}.gz"])
def test_an_asset_that_is_not_there_is_not_found(files: ConsoleFiles, path: str) -> None:
    assert files.answer(path, {}).status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("connection", "origin"),
    [
        (
            Connection(blob_uri="https://odu.blob.core.windows.net/"),
            "https://odu.blob.core.windows.net",
        ),
        (
            Connection("AccountName=a;AccountKey=k==;BlobEndpoint=http://127.0.0.1:1/a;"),
            "http://127.0.0.1:1",
        ),
        (Connection("AccountName=odu;AccountKey=k"), "https://odu.blob.core.windows.net"),
        (Connection("UseDevelopmentStorage=true"), None),
    ],
)
def test_files_go_to_the_origin_of_the_content_account(
    connection: Connection, origin: str | None
) -> None:
    assert blob_origin(connection) == origin
