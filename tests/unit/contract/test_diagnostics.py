"""The contract of log collections: what is asked, answered and read."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contract.diagnostics import (
    LogReport,
    LogResult,
    log_acknowledgement,
    log_folder,
    log_request,
    log_result,
    parse_log_report,
)

SERVICE = {"operationId": "op", "storageSasUrl": "https://store/logs?sig=secret"}


def test_request_names_the_operation_and_where_to_write() -> None:
    assert log_request("op", "https://store/logs?sig=secret") == {
        "diagnosticInformation": {"__t": "c", "service": SERVICE}
    }


def test_acknowledgement_holds_no_secret() -> None:
    assert log_acknowledgement(SERVICE, 7) == {
        "diagnosticInformation": {
            "__t": "c",
            "service": {
                "value": {"operationId": "op", "storageSasUrl": None},
                "ac": 200,
                "ad": "",
                "av": 7,
            },
        }
    }


def test_result_is_read_as_it_was_reported() -> None:
    report = log_result("op", LogResult.UPLOAD_FAILED)

    assert report == {
        "diagnosticInformation": {"__t": "c", "agent": {"resultCode": -2, "operationId": "op"}}
    }
    assert parse_log_report(report["diagnosticInformation"]["agent"]) == LogReport("op", -2)


@pytest.mark.parametrize(
    "agent",
    [
        None,
        [],
        {"operationId": "op"},
        {"resultCode": 200},
        {"operationId": 5, "resultCode": 200},
        {"operationId": "op", "resultCode": "200"},
        {"operationId": "op", "resultCode": True},
        {"operationId": "op", "resultCode": 200.5},
    ],
)
def test_what_says_nothing_of_an_upload_is_none(agent: Any) -> None:
    assert parse_log_report(agent) is None


def test_code_that_is_written_as_a_float_is_whole() -> None:
    report = parse_log_report({"operationId": "op", "resultCode": 200.0})

    assert report == LogReport("op", 200)
    assert report is not None
    assert isinstance(report.result_code, int)


@pytest.mark.parametrize(("module", "folder"), [(None, "d1/op"), ("", "d1/op"), ("m1", "d1/m1/op")])
def test_each_upload_has_a_folder_of_its_own(module: str | None, folder: str) -> None:
    assert log_folder("d1", module, "op") == folder
