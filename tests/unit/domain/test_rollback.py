from __future__ import annotations

import hashlib
import uuid

from shared.domain.fleet.deployment import (
    MAX_DEPLOYMENT_ID,
    Deployment,
    SignatureGeneration,
    check_deployment_id,
)
from shared.domain.fleet.rollback import rollback_of
from shared.domain.rollouts.specification import Phase, Rollout, Select
from shared.domain.updates.keyring import SignatureRecord
from tests.builders.deployments import an_update
from tests.unit.domain.builders import LONG_AGO, a_deployment

CLASS = "0123456789abcdef"


def test_deployments_whose_ids_begin_alike_have_rollbacks_of_their_own() -> None:
    names = [f"{'x' * 60}-{number}" for number in range(3)]

    ids = {
        rollback_of(
            a_deployment(f"w{index}", deployment_id=name), CLASS, an_update(), LONG_AGO
        ).deployment_id
        for index, name in enumerate(names)
    }

    assert len(ids) == 3
    assert all(check_deployment_id(identity) for identity in ids)


def test_rollback_is_the_same_however_often_it_is_made() -> None:
    deployment = a_deployment()

    made = [rollback_of(deployment, CLASS, an_update(), LONG_AGO) for _ in range(2)]

    assert made[0] == made[1]
    assert made[0].undoes == deployment.workflow_id


def test_rollbacks_of_two_classes_are_told_apart_by_devices_and_by_operators() -> None:
    one, other = (
        rollback_of(a_deployment(), class_id, an_update(), LONG_AGO)
        for class_id in (CLASS, CLASS[::-1])
    )

    assert one.workflow_id != other.workflow_id
    assert one.deployment_id != other.deployment_id
    assert (one.only_class_id, other.only_class_id) == (CLASS, CLASS[::-1])


def test_rollback_is_whole() -> None:
    record = SignatureRecord(
        edition=7,
        kid="kid",
        key="key",
        root_key_version=1,
        manifest_sha256="",
        signed_at=LONG_AGO,
        asked_by="somebody",
    )
    update = an_update(signature_record=record)
    deployment = a_deployment(
        deployment_id="d" * (MAX_DEPLOYMENT_ID - 1),
        group_id="lobby",
        traceparent="00-trace-span-01",
        rollout=Rollout(phases=(Phase(select=Select(percent=100)),), priority=3),
    )

    made = rollback_of(deployment, CLASS, update, LONG_AGO)

    digest = hashlib.sha256(b"w1").hexdigest()[:8]
    suffix = f"-rollback-0123456789ab-{digest}"
    assert made == Deployment(
        deployment_id="d" * (MAX_DEPLOYMENT_ID - len(suffix)) + suffix,
        group_id="lobby",
        update_id=update.update_id,
        compatibility=update.compatibility,
        workflow_id=uuid.uuid5(uuid.NAMESPACE_OID, f"w1{CLASS}").hex,
        starts_at=LONG_AGO,
        created_at=LONG_AGO,
        only_class_id=CLASS,
        is_rollback=True,
        issue=SignatureGeneration(7),
        undoes="w1",
        undone_priority=deployment.priority,
        traceparent="00-trace-span-01",
    )
    assert made.undone_priority == 3
