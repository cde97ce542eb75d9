"""Builders of a device's reports."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from shared.contract.codes import AgentState
from shared.domain.fleet.device import (
    DeviceRecord,
)
from tests.unit.domain.builders import (
    V1,
    V2,
    busy,
    failed,
    reported,
    started,
    succeeded,
)

workflows = st.sampled_from(["w1", "w2"])


retries = st.sampled_from([None, "2024-05-01T00:00:00Z"])


reports = st.one_of(
    st.builds(started, st.sampled_from(["kiosk", "gate"])),
    st.builds(busy, workflows, retries),
    st.builds(succeeded, st.sampled_from([V1, V2]), workflows, retries),
    st.builds(failed, workflows, retries),
    st.builds(reported, st.just(AgentState.IDLE), st.sampled_from([0, -5]), workflows, retries),
    st.builds(reported, st.just(AgentState.IDLE), st.sampled_from([-1, 200]), workflows, retries),
    st.builds(reported, st.just(AgentState.IDLE), st.just(700), workflows, retries),
)


def content_of(record: DeviceRecord) -> dict[str, Any]:
    from shared.domain.fleet.registers import section

    return section(record.registers)
