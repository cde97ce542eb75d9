"""What a service has to know of the open-source C agent, told by the version that it reports."""

from __future__ import annotations

from shared.contract.codes import AgentState
from shared.domain.fleet.device import DeviceRecord, evidence_of, outcome_of
from shared.domain.fleet.failure import is_download_failure
from shared.domain.rollouts.figures import Outcome

_VERSION = "DU;agent/"
_IN_PROGRESS = int(AgentState.DEPLOYMENT_IN_PROGRESS)


def holds_old_steps(record: DeviceRecord) -> bool:
    """Whether the agent would run the steps of the update that it failed to download under the next
    workflow's name: it does, until its process starts anew.
    """
    known = evidence_of(record)
    return (
        _has_failed(record)
        and known is not None
        and is_download_failure(known.extended_result_codes)
        and record.started_at <= known.at
    )


def may_run_again(record: DeviceRecord) -> bool:
    """Whether the agent may work on what it has failed to install: it begins anew with what stands
    in the twin when it renews its token, and says no more of that than that it has begun.
    """
    known = evidence_of(record)
    version, state = record.registers.get("agent.state", (0, None))
    return (
        _has_failed(record)
        and known is not None
        and state == _IN_PROGRESS
        and version > known.version
    )


def _has_failed(record: DeviceRecord) -> bool:
    _, version = record.registers.get("agent.deviceProperties.aduVer", (0, None))
    is_open_agent = isinstance(version, str) and version.startswith(_VERSION)
    return is_open_agent and outcome_of(record) is Outcome.FAILED
