"""The time zone of a device: as an operator has tagged it, else as it says itself."""

from typing import Any

from shared.domain.fleet.device import DeviceRecord, TwinChange, fold
from shared.domain.fleet.twin_content import kept_content
from shared.domain.fleet.windows import device_zone


def told(record: DeviceRecord, version: int, twin: dict[str, Any]) -> DeviceRecord:
    content = kept_content(twin)
    return fold(record, TwinChange("d1", None, version, content, is_whole=False, at=f"t{version}"))


def reported(zone: str) -> dict[str, Any]:
    return {"properties": {"reported": {"deviceInformation": {"timeZone": zone}}}}


def test_the_tag_goes_before_what_the_device_says() -> None:
    nowhere = DeviceRecord("d1")
    said = told(nowhere, 2, reported("Asia/Kolkata"))
    tagged = told(said, 3, {"tags": {"timeZone": "Europe/Berlin"}})
    untagged = told(tagged, 4, {"tags": {"timeZone": None}})

    zones = [device_zone(each) for each in (nowhere, said, tagged, untagged)]

    assert zones == [None, "Asia/Kolkata", "Europe/Berlin", "Asia/Kolkata"]
