"""The pure parts of the single benchmarks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cold_import import entry_points, is_foreign
from bench.source import blocks
from bench.twin_events import kind_of


def test_entry_points_are_the_outermost_packages_and_one_level_below_azure() -> None:
    modules = ["azure", "azure.functions", "azure.functions._abc", "msgspec.json", "_cffi_backend"]

    assert entry_points(modules) == ["azure.functions", "msgspec"]


@pytest.mark.parametrize(
    ("module", "expected"),
    [("json.decoder", False), ("shared.ports", False), ("function_app", False), ("yarl", True)],
)
def test_is_foreign_tells_what_is_neither_ours_nor_of_python(module: str, expected: bool) -> None:
    assert is_foreign(module) is expected


@given(st.integers(min_value=0, max_value=(3 << 20) + 7))
def test_blocks_make_a_file_of_the_size_asked_for(size: int) -> None:
    assert sum(map(len, blocks("one", size))) == size


def test_blocks_are_the_same_for_a_name_and_others_for_another() -> None:
    assert b"".join(blocks("one", 100)) == b"".join(blocks("one", 100))
    assert b"".join(blocks("one", 100)) != b"".join(blocks("two", 100))


@pytest.mark.parametrize(
    ("method", "url", "kind"),
    [
        ("POST", "http://127.0.0.1:1/account/$batch", "transaction"),
        (
            "GET",
            "http://127.0.0.1:1/a/Devices(PartitionKey='00.i',RowKey='d.x')?$format=json",
            "read of Devices",
        ),
        ("POST", "http://127.0.0.1:1/a/Groups", "write of Groups"),
        ("POST", "http://127.0.0.1:1/a/reconcile/messages?timeout=1", "reconcile message"),
    ],
)
def test_kind_of_names_a_storage_request(method: str, url: str, kind: str) -> None:
    assert kind_of(method, url) == kind
