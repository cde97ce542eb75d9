from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.fleet.log_collection import DeviceLog, LogCollection, check_collection_id
from shared.domain.operation import OperationStatus

NOW, LATER, END = (f"2024-05-01T12:00:0{second}.000000+00:00" for second in range(3))
RUNNING, FAILED = OperationStatus.RUNNING, OperationStatus.FAILED
SUCCEEDED, NOT_STARTED = OperationStatus.SUCCEEDED, OperationStatus.NOT_STARTED


def a_collection(*keys: str) -> LogCollection:
    return LogCollection(
        collection_id="c1",
        created_at=NOW,
        changed_at=NOW,
        expires_at=END,
        devices=tuple(DeviceLog(key) for key in keys or ("d1", "d2")),
    )


def test_collection_is_as_far_as_its_devices() -> None:
    fresh = a_collection()
    half = fresh.asked({"d1": RUNNING, "d2": RUNNING}, LATER).reported("d1", 200, LATER)

    assert fresh.status is NOT_STARTED
    assert half.status is RUNNING
    assert half.reported("d2", 200, LATER).status is SUCCEEDED
    assert half.reported("d2", -1, LATER).status is FAILED
    assert half.changed_at == LATER


def test_answer_that_overtakes_the_question_stays() -> None:
    answered = a_collection("d1").reported("d1", 200, LATER)

    assert answered.asked({"d1": RUNNING}, END) == answered
    assert answered.reported("d1", -2, END) == answered
    assert answered.reported("stranger", 200, END) == answered


def test_device_that_has_not_answered_in_time_has_failed() -> None:
    collection = a_collection().reported("d1", 200, NOW)

    assert collection.as_of(LATER) == collection
    ended = collection.as_of(END)
    assert [item.status for item in ended.devices] == [SUCCEEDED, FAILED]
    assert ended.devices[1].result_code is None
    assert ended.status is FAILED
    assert ended.changed_at == END


def test_folder_names_device_module_and_collection() -> None:
    collection = LogCollection(
        collection_id="c1",
        created_at=NOW,
        changed_at=NOW,
        expires_at=END,
        devices=(DeviceLog("d"), DeviceLog("d", "m")),
    )

    assert [collection.folder(item) for item in collection.devices] == ["d/c1", "d/m/c1"]


@given(st.permutations([("asked", "d1"), ("asked", "d2"), ("report", "d1"), ("report", "d2")]))
def test_order_of_questions_and_answers_does_not_matter(steps: list[tuple[str, str]]) -> None:
    collection = a_collection()
    for kind, key in steps:
        if kind == "asked":
            collection = collection.asked({key: RUNNING}, LATER)
        else:
            collection = collection.reported(key, 200 if key == "d1" else -4, LATER)

    assert [item.status for item in collection.devices] == [SUCCEEDED, FAILED]


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a b", "ä", "%2e", "x" * 257])
def test_id_that_is_no_plain_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_collection_id(text)

    assert refused.value.target == "operationId"


@pytest.mark.parametrize("text", ["Logs-2024.05_01~" + "x" * 240, "X", ".X."])
def test_plain_id_is_taken(text: str) -> None:
    check_collection_id(text)


def test_device_that_is_asked_stands_as_the_asking_ended() -> None:
    asked = a_collection("d1", "d2", "d3").asked({"d1": RUNNING, "d2": FAILED}, LATER)

    assert [item.status for item in asked.devices] == [RUNNING, FAILED, NOT_STARTED]
    assert asked.changed_at == LATER
    assert [item.key for item in asked.waiting] == ["d3"]
