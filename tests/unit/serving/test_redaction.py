from __future__ import annotations

import logging

import pytest

from local.cloud.serving import ServingError, configure_logging, redact

CANARY = "c4n4ryC4n4ry+/="


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://a.example/c/b?sv=1&sig={CANARY}&se=2",
        f"POST https://a.example/hook?code={CANARY} failed",
        f"SharedAccessSignature sr=hub&sig={CANARY}",
        f"AccountName=x;AccountKey={CANARY};BlobEndpoint=http://127.0.0.1:1/x",
        f"HostName=h;SharedAccessKeyName=n;SharedAccessKey={CANARY}",
        f"authorization: Bearer {CANARY}",
    ],
)
def test_redact_removes_the_secret_from_each_form(text: str) -> None:
    assert CANARY not in redact(text)
    assert "REDACTED" in redact(text)


def test_redact_removes_a_bare_token() -> None:
    assert redact("got eyJhbGciOi.eyJpc3Mi.c2ln here") == "got REDACTED here"


def test_redact_keeps_text_without_secrets() -> None:
    text = "GET https://a.example/c/b?prefix=x&coder=1 monkey=2 in 3 ms"

    assert redact(text) == text


def test_configure_logging_writes_an_exception_as_one_redacted_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    for handler in before:
        root.removeHandler(handler)  # configure_logging would close them
    try:
        configure_logging()
        failure = ServingError(f"https://a.example/?code={CANARY}")
        logging.getLogger("test").error("first\nsecond", exc_info=failure)
    finally:
        root.handlers[:] = before
        root.setLevel(level)

    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "first | second | local.cloud.serving.ServingError: https" in written
    assert CANARY not in written
