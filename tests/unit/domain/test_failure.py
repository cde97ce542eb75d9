"""Why a device failed, from the codes that it reported."""

from __future__ import annotations

import pytest

from shared.contract.codes import Erc, describe_erc
from shared.domain.fleet.failure import (
    counted_as,
    failure_counted_as,
    failure_of,
    is_download_failure,
)

CODE = 0x30300027
INFORMATIONAL = [
    Erc.NONE,
    Erc.DELTA_CACHE_MISS,
    Erc.PACKAGE_CHANGED,
    Erc.PACKAGE_UNCHANGED,
]


@pytest.mark.parametrize("before", [[], *([code] for code in INFORMATIONAL), INFORMATIONAL])
def test_first_code_that_says_more_than_a_good_result_explains_a_failure(before: list[int]) -> None:
    codes = [*before, CODE, 0x30400000]

    found = failure_of(codes)

    assert found.code == "30300027"
    assert (found.message, found.next_step) == describe_erc(CODE)
    assert counted_as(codes) == counted_as([CODE]) == "30000000"


@pytest.mark.parametrize("codes", [[], [0], INFORMATIONAL])
def test_failure_without_a_code_is_said_to_be_one(codes: list[int]) -> None:
    found = failure_of(codes)

    assert (found.code, counted_as(codes)) == ("00000000", "00000000")
    assert found != failure_of([CODE])
    assert found == failure_counted_as("00000000")
    assert "without saying why" in found.message


def test_what_the_hub_said_is_added_to_the_failure_of_a_refused_command() -> None:
    plain, told = (
        failure_of([Erc.HUB_REFUSED_COMMAND], refusal) for refusal in ("", "It is too large.")
    )

    assert told.message == f"{plain.message} It is too large."
    assert (told.code, told.next_step) == (plain.code, plain.next_step)


def test_counted_failures_are_explained_by_the_code_they_are_counted_under() -> None:
    found = failure_counted_as(counted_as([CODE]))

    assert found.code == "30000000"
    assert (found.message, found.next_step) == describe_erc(0x30000000)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0x40000001], True),
        ([0x90000001], True),
        ([0xD0190191], True),
        ([Erc.HANDLER_DOWNLOAD_EXCEPTION], True),
        ([Erc.APT_DOWNLOAD_FAILED], True),
        ([Erc.DETACHED_DOWNLOAD_FAILED], True),
        ([0x00100001], True),
        ([0x00200001], False),
        ([0x50000001], False),
        ([CODE], False),
        ([0, 0x40000001], True),
        ([CODE, 0x40000001], False),
        ([], False),
    ],
)
def test_failure_in_download_is_told_by_who_reports_it(codes: list[int], expected: bool) -> None:
    assert is_download_failure(codes) is expected
