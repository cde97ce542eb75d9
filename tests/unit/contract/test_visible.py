"""Nothing that others wrote hides in what operators read."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import log_records
from shared.contract.visible import visible
from shared.domain.errors import InvalidInput

HIDING = ["\x00", "\r\n", "\x1b[2J", "\u202e", "\u2028", "\u2029", "\u2066", "\x85", "\ud800"]


@given(st.text(st.characters(exclude_categories=())), st.integers(8, 300))
def test_what_is_shown_is_printable_and_no_longer_than_asked(text: str, most: int) -> None:
    shown = visible(text, most)

    assert shown.isprintable()
    assert len(shown) <= most


def test_text_that_hides_nothing_stays_as_it_is() -> None:
    assert visible("Fräsmaschine 3 - ok 🎉") == "Fräsmaschine 3 - ok 🎉"
    assert visible("\u202e\u2028\n\U000e0001") == "\\u202e\\u2028\\x0a\\U000e0001"


def test_the_end_of_a_long_text_is_still_there() -> None:
    shown = visible("File '" + "x" * 10_000 + "' is missing.", 100)

    assert shown.startswith("File 'xxx")
    assert shown.endswith("xxx' is missing.")


@pytest.mark.parametrize("hiding", HIDING)
def test_errors_show_what_they_echo_cut_and_with_everything_visible(hiding: str) -> None:
    name = hiding + "x" * 5000
    error = InvalidInput(f"File '{name}' is missing.", target=name)

    for text in (error.message, str(error), error.target or ""):
        assert text.isprintable()
        assert len(text) <= 1000
    assert error.message.endswith("' is missing.")


@pytest.fixture
def own_records() -> Iterator[None]:
    made = logging.getLogRecordFactory()
    log_records.install()
    log_records.install()
    yield
    logging.setLogRecordFactory(made)


@pytest.mark.usefixtures("own_records")
@pytest.mark.parametrize("hiding", HIDING)
def test_a_record_of_the_log_is_one_line_whatever_it_names(hiding: str) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    log = logging.getLogger("shared.services.imports.operation")
    log.addHandler(handler)
    try:
        log.warning("refused the drop %s: %d", f"a{hiding}b", 3)
    finally:
        log.removeHandler(handler)

    assert written.getvalue().removesuffix("\n").isprintable()
    assert written.getvalue().startswith("refused the drop a\\")
    assert written.getvalue().endswith("b: 3\n")


@pytest.mark.usefixtures("own_records")
def test_records_of_others_are_left_as_they_are() -> None:
    record = logging.getLogRecordFactory()("azure.core", 20, "f", 1, "%s\n", ("x",), None)

    assert record.getMessage() == "x\n"
