"""A phase by count hands out what is left of it at once, however few that are."""

import msgspec

from shared.domain.rollouts.ledger import Ledger
from shared.domain.rollouts.pace import grants
from shared.domain.rollouts.progress import Opened, Progress, Status
from shared.domain.rollouts.specification import Rollout

AT, SOON = "2027-01-01T00:00:00.000000+00:00", "2027-01-01T00:00:01.000000+00:00"


def test_a_count_smaller_than_what_is_due_is_granted_at_once() -> None:
    rollout = msgspec.convert({"phases": [{"select": {"count": 2}}]}, Rollout)
    progress = Progress(status=Status.RUNNING, opened=(Opened(at=AT),))
    ledgers = {bucket: Ledger(phase=0, due=1) for bucket in range(8)}

    granted = grants(rollout, progress, ledgers, 0, SOON)

    assert granted is not None
    assert sum(granted.progress.allow_members.values()) == 2
