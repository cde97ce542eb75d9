"""An entry of the audit log, whole, and every way in which a chain can be broken."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from shared.contract.audit_chain import GENESIS, START, ChainCheck, Finding, Place, entry_hash
from shared.domain.audit import (
    MAX_DOCUMENT_BYTES,
    Actor,
    Change,
    Entry,
    Head,
    Origin,
    days_between,
    entry_id,
    head_after,
    place_of,
    presentable,
    sealed,
)

DAY, NOW = "2027-01-02", "2027-01-02T03:04:05.000000+00:00"
ANNA = Actor("anna", "Anna", ("Approver",), "10.0.0.1", "odu/1.0")


def a_change(**changes: Any) -> Change:
    given: dict[str, Any] = {
        "request_id": "r1",
        "origin": Origin.REST,
        "actor": ANNA,
        "action": "deployments.create",
        "target": "management/groups/g",
        "begun_at": "2027-01-02T03:04:04.000000+00:00",
        "result": "Succeeded",
    }
    return Change(**{**given, **changes})


def test_entry_holds_all_that_is_known() -> None:
    change = a_change(
        status=200,
        message="done",
        client_request_id="c1",
        request={"a": 1},
        before={"b": 2},
        after={"c": 3},
    )

    entry = dict(sealed("plant", change, Head(Place(41, "ab"), "2027-01-01"), NOW))

    assert entry.pop("hash") == entry_hash(entry)
    assert entry == {
        "id": f"{DAY}-000000000042",
        "instanceId": "plant",
        "number": 42,
        "day": DAY,
        "dateTime": NOW,
        "origin": "Rest",
        "actor": {
            "objectId": "anna",
            "roles": ["Approver"],
            "name": "Anna",
            "address": "10.0.0.1",
            "client": "odu/1.0",
        },
        "action": "deployments.create",
        "target": "management/groups/g",
        "result": "Succeeded",
        "requestId": "r1",
        "begunDateTime": "2027-01-02T03:04:04.000000+00:00",
        "previousHash": "ab",
        "status": 200,
        "message": "done",
        "clientRequestId": "c1",
        "request": {"a": 1},
        "before": {"b": 2},
        "after": {"c": 3},
    }


def test_entry_leaves_out_what_there_is_not() -> None:
    bare = a_change(actor=Actor("x", "n" * 301))

    entry = sealed("plant", bare, Head(), NOW)

    optional = {"status", "message", "clientRequestId", "request", "before", "after"}
    assert entry.keys().isdisjoint(optional)
    assert entry["actor"] == {"objectId": "x", "roles": [], "name": "n" * 300}
    assert (entry["number"], entry["previousHash"]) == (1, "0" * 64)
    falsy = sealed("plant", a_change(request={}, before=0, after=False, message=""), Head(), NOW)
    assert (falsy["request"], falsy["before"], falsy["after"]) == ({}, 0, False)


def test_days_of_a_log_never_go_back() -> None:
    late = Head(Place(1, "ab"), "2027-01-03")

    entry = sealed("plant", a_change(), late, NOW)

    assert (entry["day"], entry["dateTime"]) == ("2027-01-03", NOW)
    assert head_after(entry) == Head(Place(2, entry["hash"]), "2027-01-03")


def test_hash_is_that_of_every_release() -> None:
    """SHA-256 over compact JSON with sorted members, as the documentation tells auditors."""
    entry = {"number": 1, "b": "ä", "a": [1, {"y": 1, "x": None}], "hash": "not in it"}
    text = '{"a":[1,{"x":null,"y":1}],"b":"ä","number":1}'

    assert entry_hash(entry) == hashlib.sha256(text.encode()).hexdigest()
    assert entry_hash({"a": "\ud800"}) == hashlib.sha256(b'{"a":"\xed\xa0\x80"}').hexdigest()


def test_id_of_an_entry_says_where_it_lies() -> None:
    assert place_of(entry_id(DAY, 42)) == (DAY, 42)
    for other in ("", DAY, f"{DAY}-42", f"x{entry_id(DAY, 42)}", f"{entry_id(DAY, 42)}0"):
        assert place_of(other) is None


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (DAY, DAY, [DAY]),
        ("2026-12-31", DAY, ["2026-12-31", "2027-01-01", DAY]),
        (DAY, "2027-01-01", []),
    ],
)
def test_days_include_both_ends(first: str, last: str, days: list[str]) -> None:
    assert days_between(first, last) == days


def test_document_is_kept_up_to_its_size() -> None:
    most = {"a": "x" * (MAX_DOCUMENT_BYTES - len('{"a": ""}'))}
    more = {"a": "ä" + most["a"]}
    text = json.dumps(more, ensure_ascii=False).encode()

    assert presentable(None) is None
    assert presentable(most) == most
    assert presentable(more) == {
        "isTruncated": True,
        "sizeInBytes": len(text),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    assert MAX_DOCUMENT_BYTES == 16_384


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"accessToken": "x", "SIG": "y", "signature": "z"}, ["accessToken", "SIG"]),
        ({"deep": [{"password": {"a": 1}}]}, ["password"]),
    ],
)
def test_members_named_like_secrets_lose_their_values(document: Any, kept: list[str]) -> None:
    text = json.dumps(presentable(document))

    assert text.count('"[removed]"') == len(kept)
    assert all(f'"{name}": "[removed]"' in text for name in kept)


def test_addresses_lose_query_and_user() -> None:
    assert presentable(["see https://me:pw@host/a?sig=x and ftp://h/b", "a?b", 5, ("t",)]) == [
        "see https://host/a and ftp://h/b",
        "a?b",
        5,
        ["t"],
    ]


def a_log(count: int = 3) -> list[Entry]:
    """Entries, the newest first, each of a day of its own."""
    head, found = Head(), []
    for number in range(1, count + 1):
        found.append(sealed("plant", a_change(), head, NOW.replace("-02T", f"-0{number}T")))
        head = head_after(found[-1])
    return found[::-1]


def place(entry: Entry) -> Place:
    return Place(entry["number"], entry["hash"])


def again(entry: Entry, **changes: Any) -> Entry:
    """An entry that was changed together with its hash."""
    changed = {**entry, **changes}
    return {**changed, "hash": entry_hash(changed)}


def checked(*entries: Entry, head: Place | None = None, **given: Any) -> ChainCheck:
    check = ChainCheck("plant", head or place(a_log()[0]), **given)
    for entry in entries:
        check.feed(entry)
    return check


def test_log_that_nobody_touched_is_sound() -> None:
    check = checked(*a_log())

    assert check.finish() is None
    assert (check.checked, check.findings) == (3, 0)
    assert checked(head=START).finish() is None
    last, middle, first = a_log()
    assert checked(last, middle).finish(place(first)) is None
    assert GENESIS == "0" * 64


LAST, MIDDLE, FIRST = a_log()


@pytest.mark.parametrize(
    ("entries", "number", "reason"),
    [
        ([LAST, {**MIDDLE, "action": "x"}, FIRST], 2, "it was changed"),
        (
            [LAST, again(MIDDLE, action="x"), FIRST],
            2,
            "it is another one than the entry after it says",
        ),
        ([again(LAST, action="x"), MIDDLE, FIRST], 3, "it is another one than the entry after"),
        ([LAST, FIRST], 2, "entries are missing"),
        ([MIDDLE, FIRST], 3, "entries are missing"),
        ([LAST, MIDDLE], 1, "entries are missing"),
        ([LAST], 1, "entries are missing"),
        ([LAST, MIDDLE, again(FIRST, previousHash="1" * 64)], 1, "it is another one than"),
        ([LAST, LAST, MIDDLE, FIRST], 3, "an entry stands where none belongs"),
        ([LAST, MIDDLE, FIRST, again(FIRST, number=0)], 0, "an entry stands where none belongs"),
        ([again(FIRST, number=4), LAST, MIDDLE, FIRST], 4, "an entry stands where none belongs"),
        ([again(LAST, number="3"), LAST, MIDDLE, FIRST], 3, "an entry stands where none belongs"),
    ],
)
def test_first_entry_at_fault_is_named(entries: list[Entry], number: int, reason: str) -> None:
    found = checked(*entries).finish()

    assert found is not None
    assert found.number == number
    assert found.reason.startswith(reason)


def test_entry_of_another_instance_or_day_is_at_fault() -> None:
    other = sealed("other", a_change(), Head(), NOW)
    assert checked(other, head=place(other)).finish() == Finding(
        1, "it belongs to another instance"
    )

    for key, reason in (((DAY, 1), None), (("2027-01-01", 1), "it was moved to another day")):
        own = sealed("plant", a_change(), Head(), NOW)
        check = ChainCheck("plant", place(own))
        check.feed(own, key)
        found = check.finish()
        assert (found.reason if found else None) == reason


def test_key_of_a_stray_entry_names_it() -> None:
    check = checked(*a_log())
    check.feed(again(FIRST, number=9), ("2027-01-01", 7))

    assert check.first == Finding(7, "an entry stands where none belongs")


def test_anchors_vouch_for_entries() -> None:
    right = {2: [MIDDLE["hash"]]}

    assert checked(*a_log(), anchors=right).finish() is None
    wrong = checked(*a_log(), anchors={2: [MIDDLE["hash"], "other"]}).finish()
    assert wrong == Finding(2, "it, or one before it, is another one than its day's anchor says")
    lost = checked(*a_log(), anchors={4: ["any"]}).finish()
    assert lost == Finding(4, "entries that an anchor vouches for are missing")
    assert checked(*a_log(), anchors={3: [LAST["hash"]]}).finish() is None


def test_log_goes_on_from_where_it_was_cut() -> None:
    cut = Place(1, "another")

    found = checked(LAST, MIDDLE).finish(cut)

    assert found == Finding(2, "it does not follow on what was there before")
    assert checked(LAST).finish(place(FIRST)) == Finding(2, "entries are missing")


def test_all_faults_are_counted_and_the_oldest_is_named() -> None:
    check = checked({**LAST, "action": "x"}, {**MIDDLE, "action": "x"}, FIRST)

    assert check.finish() == Finding(2, "it was changed")
    assert check.findings == 2
