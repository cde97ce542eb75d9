"""Log lines of the service: what they are about, and no secret of others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from shared import log_records
from shared.adapters.telemetry.log_handler import LogHandler
from shared.adapters.telemetry.redaction import redacted
from shared.facts import about


class Loggers:
    """Takes the place of OpenTelemetry's provider and logger."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def get_logger(self, *given: str) -> Loggers:
        return self

    def emit(self, record: Any) -> None:
        self.records.append(record)


@pytest.fixture
def sent() -> Iterator[list[Any]]:
    before, loggers = logging.getLogRecordFactory(), Loggers()
    log_records.install()
    handler = LogHandler(loggers)  # type: ignore[arg-type]
    logging.getLogger("shared").addHandler(handler)
    try:
        yield loggers.records
    finally:
        logging.getLogger("shared").removeHandler(handler)
        logging.setLogRecordFactory(before)


def test_line_says_what_it_is_about(sent: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    with about(function="fetch_import", operation="o-1"):
        logging.getLogger("shared.test").warning("import %s failed", "o-1")

    assert caplog.messages == ["import o-1 failed {function=fetch_import operation=o-1}"]
    (record,) = sent
    assert record.body == "import o-1 failed"
    assert record.attributes == {
        "odu.function": "fetch_import",
        "odu.operation": "o-1",
        "logger": "shared.test",
    }


def test_error_is_sent_without_the_secrets_in_its_text(sent: list[Any]) -> None:
    try:
        _refused()
    except OSError:
        logging.getLogger("shared.test").exception("unexpected")

    (record,) = sent
    assert record.attributes["exception.type"] == "OSError"
    assert "sig=***" in record.attributes["exception.stacktrace"]
    assert "abc" not in record.attributes["exception.stacktrace"]


def _refused() -> None:
    raise OSError("GET https://host/blob?sv=1&sig=abc%2Fdef&x=1")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://h/c/b?se=1&sig=s3cr3t%3D&sp=r", "s3cr3t"),
        ("AccountName=a;AccountKey=s3cr3t==;End", "s3cr3t"),
        ("HostName=h;SharedAccessKey=s3cr3t=", "s3cr3t"),
        ("Authorization: Bearer s3cr3t.x.y", "s3cr3t"),
        ("token eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl was refused", "eyJzdWIiOi"),
    ],
)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    assert secret not in redacted(text)
    assert "***" in redacted(text)


def test_text_without_a_secret_stays() -> None:
    text = "import 2026-1 failed: HashMismatch; signature=ok monkey=1"

    assert redacted(text) == text
