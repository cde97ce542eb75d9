"""A deployment is forgotten only once it decides nothing for any device there is or may come."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.domain.fleet.deployment import Deployment, Subgroup
from shared.domain.fleet.device_class import make_device_class
from shared.domain.fleet.outlived import is_outlived
from tests.unit.domain.builders import a_deployment

KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
GATE = make_device_class("", {"manufacturer": "acme", "model": "gate"})
LATER, BEFORE, SINCE = "2024-02-01", "2024-03-01", "2024-04-01"
NEWER = a_deployment("w2", starts_at=LATER, created_at=LATER)
CANCELED = {KIOSK.class_id: Subgroup(is_canceled=True)}


def outlived(item: Deployment, *others: Deployment) -> bool:
    return is_outlived(item, others, (KIOSK, GATE), BEFORE)


def test_deployment_that_a_newer_one_has_replaced_long_ago_is_outlived() -> None:
    assert outlived(a_deployment(), NEWER)
    assert outlived(a_deployment(subgroups=CANCELED))


@pytest.mark.parametrize(
    ("item", "others"),
    [
        (a_deployment(), ()),
        (NEWER, (a_deployment(),)),
        (a_deployment(starts_at=SINCE), (NEWER,)),
        (a_deployment(created_at=SINCE), (NEWER,)),
        (a_deployment(), (a_deployment("w2", starts_at=LATER, created_at=SINCE),)),
        (a_deployment(), (a_deployment("w2", starts_at=LATER, subgroups=CANCELED),)),
        (a_deployment(), (a_deployment("w2", starts_at=LATER, only_class_id="another"),)),
        (a_deployment(), (NEWER, a_deployment("w3", starts_at=LATER, undoes="w1"))),
        (a_deployment(undoes="w0"), (NEWER,)),
    ],
    ids=[
        "in force",
        "the newer one",
        "starts late",
        "made late",
        "replaced of late",
        "the newer one was cancelled",
        "the newer one is for others",
        "a rollback is about it",
        "a rollback",
    ],
)
def test_deployment_that_decides_something_stays(
    item: Deployment, others: Sequence[Deployment]
) -> None:
    assert not outlived(item, *others)
