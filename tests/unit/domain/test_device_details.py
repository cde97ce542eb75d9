"""What one device's page shows beside what lists show."""

from __future__ import annotations

from shared.domain.fleet.device import fold_connection
from shared.domain.fleet.device_details import details_of
from shared.domain.fleet.listing import listed
from shared.http import wire
from tests.unit.domain.builders import (
    V2,
    a_change,
    a_command,
    a_record,
    at_second,
    busy,
    started,
    succeeded,
)


def test_details_are_tags_and_what_the_agent_says_of_the_device() -> None:
    record = a_record(a_change(1, started("gate"), group="hall"))

    found = details_of(record)

    assert found.tags == {"ADUGroup": "hall"}
    assert found.compat_properties == {"manufacturer": "acme", "model": "gate"}
    assert found.device_properties.items() >= {("manufacturer", "acme"), ("model", "gate")}
    assert not any(name.startswith("__") for name in found.device_properties)


def test_details_say_what_a_device_works_on_until_it_has_ended() -> None:
    record = a_record(
        a_change(1, started()), a_change(2, busy(), at=at_second(9)), commanded=a_command()
    )
    record = fold_connection(record, is_connected=True, sequence_number="1", at=at_second(8))
    item = listed(record)
    assert item is not None

    shown = wire.device_details(record, item, is_on_latest=False)

    assert shown.workflow is not None
    assert (shown.workflow.id, shown.workflow.deployment_id) == ("w1", "deployment-w1")
    assert shown.workflow.update == wire.update_info(V2)
    assert shown.workflow.since_date_time == at_second(9)
    assert (shown.is_connected, shown.connection_changed_date_time) == (True, at_second(8))
    assert shown.health == "healthy" or shown.health == "unhealthy"
    ended = a_record(a_change(1, started()), a_change(2, succeeded()), commanded=a_command())
    item = listed(ended)
    assert item is not None
    assert wire.device_details(ended, item, is_on_latest=True).workflow is None
