"""The deployment that sends devices back to an older update when too many have failed."""

from __future__ import annotations

import uuid

from shared.domain.fleet.deployment import MAX_DEPLOYMENT_ID, Deployment, Issue
from shared.domain.updates.update import Update

_CLASS_CHARACTERS = 12


def rollback_of(deployment: Deployment, class_id: str, update: Update, now: str) -> Deployment:
    """The deployment that sends a class back; always the same for a deployment and a class.

    It is newer than the one it undoes, and so in force instead of it.
    """
    suffix = f"-rollback-{class_id[:_CLASS_CHARACTERS]}"
    return Deployment(
        deployment_id=deployment.deployment_id[: MAX_DEPLOYMENT_ID - len(suffix)] + suffix,
        group_id=deployment.group_id,
        update_id=update.update_id,
        compatibility=update.compatibility,
        workflow_id=uuid.uuid5(uuid.NAMESPACE_OID, deployment.workflow_id + class_id).hex,
        starts_at=now,
        created_at=now,
        only_class_id=class_id,
        is_rollback=True,
        issue=Issue(update.signature_edition),
    )
