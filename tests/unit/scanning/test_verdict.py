from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.scanning.scan import Verdict, worst

STATUSES = ["clean", "pending", "error", "unscannable", "malicious"]

verdicts = st.builds(
    Verdict,
    status=st.sampled_from(STATUSES),
    engine=st.sampled_from(["yara-x", "clamd"]),
    engine_version=st.just("1"),
    rules_version=st.sampled_from(["a", "b"]),
    names=st.sampled_from([(), ("X",), ("X", "Y")]),
    member_path=st.sampled_from([None, "", "a!b"]),
    members_scanned=st.integers(0, 2),
    bytes_scanned=st.integers(0, 2),
    reason=st.sampled_from([None, "", "why"]),
)


def a_verdict(status: str) -> Verdict:
    return Verdict(status, "yara-x", "1", "r")  # type: ignore[arg-type]


@pytest.mark.parametrize("rank", range(1, len(STATUSES)))
def test_worst_prefers_the_more_serious_status(rank: int) -> None:
    better, serious = a_verdict(STATUSES[rank - 1]), a_verdict(STATUSES[rank])

    assert worst([better, serious]) == serious


def test_worst_of_nothing_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst([])


@given(verdicts, verdicts)
def test_worst_is_commutative(one: Verdict, two: Verdict) -> None:
    assert worst([one, two]) == worst([two, one])


@given(verdicts, verdicts, verdicts)
def test_worst_is_associative(one: Verdict, two: Verdict, three: Verdict) -> None:
    assert worst([worst([one, two]), three]) == worst([one, worst([two, three])])


@given(st.lists(verdicts, min_size=1))
def test_worst_is_clean_only_when_all_are(many: list[Verdict]) -> None:
    assert (worst(many).status == "clean") == all(each.status == "clean" for each in many)
