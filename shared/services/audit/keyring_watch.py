"""Writes into the audit log what was changed of the keyring.

Operators change it with their root keys, which this service never sees, by writing a blob; so
nobody asks the service, which looks by itself: on the order to sign anew that follows on a change,
and every few minutes. What was seen is kept where nothing changes, beside the anchors of the log,
by the ETag of the very writing: a keyring of old that is put back is a change too.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.domain.audit import UNKNOWN, Actor, Change, Origin
from shared.domain.updates.keyring import KEYRING, Keyring
from shared.ports import Blobs, Clock
from shared.services.audit.trail import AuditTrail

ACTION = "change_keyring"
TARGET = "keys"
_SEEN = "_keyring/"
"""No instance is named so."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class KeyringWatch:
    """Compares the keyring with what was seen of it."""

    instances: Iterable[str]
    blobs: Blobs
    audit: AuditTrail
    clock: Clock
    _last: str = field(default="", init=False)

    async def look(self) -> None:
        """Write an entry for each instance if the keyring was written since it was last seen."""
        known = await self.blobs.metadata("manifests", KEYRING)
        etag = known["etag"] if known is not None else "none"
        if etag == self._last:
            return
        name = f"{_SEEN}{hashlib.sha256(etag.encode()).hexdigest()[:32]}.json"
        if await self.blobs.metadata("audit", name) is None:
            facts, actor = await self._facts(known is not None)
            for instance in self.instances:
                async with self.audit.change(instance, self._change(name, actor)) as outcome:
                    outcome.after = facts
                log.info("instance %s: the keyring was changed", instance)
            content = json.dumps({"etag": etag, **facts}, indent=1).encode()
            await self.blobs.write_once("audit", name, content)
        self._last = etag

    async def _facts(self, is_there: bool) -> tuple[dict[str, Any], Actor]:
        raw = await self.blobs.read("manifests", KEYRING) if is_there else None
        if raw is None:
            return {"state": "Absent"}, UNKNOWN
        try:
            keyring = msgspec.json.decode(raw, type=Keyring)
            version = keyring.root_key_version
        except (msgspec.DecodeError, ValueError, KeyError, TypeError):
            return {"state": "Damaged", "sizeInBytes": len(raw)}, UNKNOWN
        facts = {
            "edition": keyring.edition,
            "revokedEdition": keyring.revoked_edition,
            "signingKey": keyring.kid,
            "signingKeys": sorted(keyring.key_hashes),
            "rootKeyPackageVersion": version,
            "changedDateTime": keyring.changed_at,
            "sha256": hashlib.sha256(raw).hexdigest(),
        }
        return facts, Actor(UNKNOWN.object_id, f"{keyring.changed_by}, by the keyring's own word")

    def _change(self, seen: str, actor: Actor) -> Change:
        return Change(
            request_id=seen.rpartition("/")[2].removesuffix(".json"),
            origin=Origin.KEYS,
            actor=actor,
            action=ACTION,
            target=TARGET,
            begun_at=self.clock.now(),
        )
