"""The deployment that sends devices back to an older update when too many have failed."""

from __future__ import annotations

import hashlib
import uuid

from shared.domain.fleet.deployment import MAX_DEPLOYMENT_ID, Deployment, SignatureGeneration
from shared.domain.updates.update import Update

_CLASS_DIGITS, _WORKFLOW_DIGITS = 12, 8


def rollback_of(deployment: Deployment, class_id: str, update: Update, now: str) -> Deployment:
    """The deployment that sends a class back; always the same for a deployment and a class.

    It reaches only devices that were last asked to run what it undoes. Its id ends with digits of
    that workflow, because long ids of deployments may begin alike.
    """
    digest = hashlib.sha256(deployment.workflow_id.encode()).hexdigest()[:_WORKFLOW_DIGITS]
    suffix = f"-rollback-{class_id[:_CLASS_DIGITS]}-{digest}"
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
        issue=SignatureGeneration(update.signature_edition),
        undoes=deployment.workflow_id,
        undone_priority=deployment.priority,
        traceparent=deployment.traceparent,
    )
