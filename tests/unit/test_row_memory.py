from __future__ import annotations

from shared.adapters.row_memory import RowMemory, Seen


def test_row_is_remembered_as_it_was_seen_last_until_it_is_forgotten() -> None:
    memory = RowMemory()
    memory.keep("p", "r", "old", "e1")
    memory.keep("p", "r", "new", "e2")
    memory.keep("q", "r", "other", "e3")

    assert memory.get("p", "r") == Seen("new", "e2")
    memory.forget("p", ["r", "never seen"])
    assert (memory.get("p", "r"), memory.get("q", "r")) == (None, Seen("other", "e3"))


def test_rows_used_longest_ago_go_first_when_the_bytes_are_spent() -> None:
    memory = RowMemory(max_bytes=10_000)
    for number in range(4):
        memory.keep("p", f"r{number}", "x" * 1_500, "e")
    memory.get("p", "r0")

    for number in range(4, 7):
        memory.keep("p", f"r{number}", "x" * 1_500, "e")

    kept = [number for number in range(7) if memory.get("p", f"r{number}")]
    assert kept == [0, 3, 4, 5, 6]


def test_row_larger_than_the_whole_memory_is_not_kept() -> None:
    memory = RowMemory(max_bytes=1_000)

    memory.keep("p", "r", "x" * 2_000, "e")
    memory.keep("p", "s", "x", "e")

    assert memory.get("p", "r") is None
    assert memory.get("p", "s") is not None
