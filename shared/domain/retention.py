"""How long things are kept that would else grow without end."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_AUDIT_DAYS = 365
"""What is kept for proof is kept for a year at least, whatever the setting says."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that things are kept; each is set by an app setting, such as RETENTION_AUDIT_DAYS."""

    operation_days: int = 90
    """Operations that have ended, from their beginning."""
    audit_days: int = 730
    """Entries of the audit log; at least `LEAST_AUDIT_DAYS`."""
    compliance_days: int = 730
    """Compliance by day, and the marks of what was published."""
    deployment_days: int = 730
    """Deployments that decide nothing any more, from the last that happened in them."""
    progress_days: int = 730
    """How deployments stood by minute and hour."""
    history_days: int = 1825
    """What became of updates on a device, where the deployment is not the device's last."""
    export_days: int = 7
    """Files of exports of devices."""

    @property
    def audit_days_in_force(self) -> int:
        """Days that entries of the audit log are kept."""
        return max(self.audit_days, LEAST_AUDIT_DAYS)
