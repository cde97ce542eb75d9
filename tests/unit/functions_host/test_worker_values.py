from __future__ import annotations

import json
from http.cookies import SimpleCookie

import azure.functions as func
import pytest
from azure.functions.http import HttpResponseConverter
from azure.functions.queue import QueueMessageOutConverter

from local.cloud.functions_host.outputs import encode_message
from local.cloud.functions_host.worker import http_answer, queue_messages


@pytest.mark.parametrize(
    ("value", "bodies"),
    [
        ("text", [b"text"]),
        (b"\x00bytes", [b"\x00bytes"]),
        (["a", "b"], [b"a", b"b"]),
        ([], []),
        (func.QueueMessage(body="one"), [b"one"]),
        ([func.QueueMessage(body="one"), "two"], [b"one", b"two"]),
    ],
)
def test_a_queue_output_becomes_one_body_for_each_message(
    value: object, bodies: list[bytes]
) -> None:
    assert queue_messages(QueueMessageOutConverter.encode(value, expected_type=None)) == bodies


def test_no_output_is_no_message() -> None:
    assert queue_messages(None) == []


def test_messages_are_encoded_as_host_json_says() -> None:
    assert encode_message(b"a\xff", "base64") == "Yf8="
    assert encode_message("ä".encode(), "none") == "ä"


def test_an_answer_keeps_its_status_headers_cookies_and_body() -> None:
    response = func.HttpResponse(json.dumps({}), status_code=201, mimetype="application/json")
    response.headers.add("X-One", "1")
    response.headers.add("Set-Cookie", "a=1; Path=/")

    answer = http_answer(HttpResponseConverter.encode(response, expected_type=None))

    assert (answer.status, answer.body) == (201, b"{}")
    assert (answer.headers["X-One"], answer.headers["content-type"]) == ("1", "application/json")
    assert answer.cookies == (SimpleCookie("a=1; Path=/")["a"].OutputString(),)


def test_a_string_is_an_answer_of_200() -> None:
    answer = http_answer(HttpResponseConverter.encode("text", expected_type=None))

    assert (answer.status, answer.body) == (200, b"text")
