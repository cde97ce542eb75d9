from __future__ import annotations

import pytest

from shared import messages
from shared.facts import about, current, described
from shared.signals import MEANINGS, Facts, Metric, attributes, is_sampled, trace_id_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-"


@pytest.mark.parametrize(
    ("flags", "expected"), [("01", True), ("03", True), ("00", False), ("02", False)]
)
def test_trace_is_recorded_when_its_flag_says_so(flags: str, expected: bool) -> None:
    assert is_sampled(PARENT + flags) is expected


@pytest.mark.parametrize("text", ["", "-", "00", "--", "00-x-y-zz"])
def test_what_is_no_trace_context_is_not_recorded(text: str) -> None:
    assert not is_sampled(text)


def test_trace_is_named_by_its_context() -> None:
    assert trace_id_of(PARENT + "01") == TRACE
    assert trace_id_of("") == ""


def test_every_metric_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Metric)
    assert all(meaning.unit and meaning.text for meaning in MEANINGS.values())


def test_facts_without_a_value_are_not_told() -> None:
    assert attributes({"instance": "one", "code": "", "bucket": 0}) == {
        "odu.instance": "one",
        "odu.bucket": 0,
    }


def test_message_without_a_trace_is_as_it_was_before_there_were_traces() -> None:
    message = messages.FetchImport(instance="one", operation="o-1")

    assert messages.encode(message) == b'{"instance":"one","operation":"o-1"}'


def test_message_carries_a_trace_and_what_it_is_about() -> None:
    message = messages.FanOut(instance="one", group="g", deployment="d", traceparent=PARENT + "01")

    parent, facts = messages.trace_of(messages.encode(message))

    assert parent == PARENT + "01"
    assert attributes(facts) == {
        "odu.instance": "one",
        "odu.group": "g",
        "odu.deployment": "d",
    }


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"[]", b'{"instance": 5}', b""])
def test_rubbish_in_a_queue_has_no_trace(body: bytes) -> None:
    assert messages.trace_of(body) == ("", {})


def test_facts_hold_for_the_block_and_add_up() -> None:
    with about(function="sweep"):
        with about(instance="one"):
            inside: Facts = current()
        assert current() == {"function": "sweep"}

    assert inside == {"function": "sweep", "instance": "one"}
    assert current() == {}


def test_facts_in_a_log_line_are_one_word_each() -> None:
    facts: Facts = {"function": "sweep", "group": "a b}=\n", "device": "host/agent", "code": ""}

    assert described(facts) == "function=sweep group=a%20b%7D%3D%0A device=host/agent"
