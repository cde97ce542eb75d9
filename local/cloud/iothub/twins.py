"""Operations on twins: inside one transaction they change a twin, write events and tell devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.iothub.errors import precondition_failed
from local.cloud.iothub.records import load, save_twin
from local.cloud.iothub.registry import matches
from local.cloud.iothub.twin import patch_twin, replace_twin, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.iothub.events import Outlet
    from local.cloud.iothub.records import Key, Record
    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Change, Json


@dataclass(frozen=True, slots=True)
class Twins:
    """Changes twins.

    Args:
        outlet: is told of every change.
        notify: sends changed desired properties to an identity that is connected.
    """

    outlet: Outlet
    notify: Callable[[Key, Json], None]

    def patch(self, tx: Transaction, key: Key, body: Json, if_match: str | None) -> Record:
        """Merge tags and desired properties.

        Raises:
            HubError: 400, 404 or 412.
        """
        record = _matching(tx, key, if_match)
        return self._save(tx, record, "updateTwin", patch_twin(record.twin, body, tx.now))

    def replace(self, tx: Transaction, key: Key, body: Json, if_match: str | None) -> Record:
        """Replace tags and desired properties.

        Raises:
            HubError: 400, 404 or 412.
        """
        record = _matching(tx, key, if_match)
        change = replace_twin(record.twin, body, tx.now)
        change.event["deviceId"] = key.device_id
        if key.module_id:
            change.event["moduleId"] = key.module_id
        return self._save(tx, record, "replaceTwin", change)

    def report(self, tx: Transaction, key: Key, body: object) -> int:
        """Merge reported properties; return their new version.

        Raises:
            HubError: 400 or 404.
        """
        record = load(tx.connection, key)
        change = report(record.twin, body, tx.now)
        return self._save(tx, record, "updateTwin", change).twin.reported.version

    def _save(self, tx: Transaction, record: Record, operation: str, change: Change) -> Record:
        key, patch = record.key, change.desired_patch
        save_twin(tx, key, change.twin)
        self.outlet.twin_changed(tx, key, operation, change.event)
        if patch is not None:
            tx.after_commit(lambda: self.notify(key, patch))
        return record._replace(twin=change.twin)


def _matching(tx: Transaction, key: Key, if_match: str | None) -> Record:
    record = load(tx.connection, key)
    if not matches(if_match, record.twin.etag):
        raise precondition_failed(if_match or "")
    return record
