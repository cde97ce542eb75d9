"""Evidence that content does harm, which counts whenever it comes and for these very bytes alone.

It is written down by hash first, where imports look before and after they publish; then what is
published with the content is recalled. So one of the two sees the other.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update import Update
from shared.ports import Clock, Updates, Verdicts
from shared.services.updates.recall import RecallUpdates

log = logging.getLogger(__name__)


@dataclass(slots=True)
class HarmfulContent:
    """Stops what holds content that was found bad."""

    verdicts: Verdicts
    updates: Updates
    recalls: RecallUpdates
    clock: Clock

    async def found(self, instance: str, sha256: str, verdict: Verdict) -> None:
        """Take in that content with this base64 SHA-256 is malicious."""
        await self.verdicts.put(instance, sha256, verdict, may_be_delta=False, at=self.clock.now())
        async for update in self._holders(instance, sha256):
            names = [file.filename for file in update.all_files if file.sha256 == sha256]
            log.warning("%s of %s was found malicious", update.update_id, instance)
            reason = f"File '{names[0]}' holds malware: {verdict.findings} ({verdict.engine})."
            await self.recalls.start(instance, update.update_id, reason, is_automatic=True)

    async def _holders(self, instance: str, sha256: str) -> AsyncIterator[Update]:
        token: str | None = None
        while True:
            page = await self.updates.list(instance, token=token)
            for stored in page.items:
                if any(file.sha256 == sha256 for file in stored.value.all_files):
                    yield stored.value
            token = page.token
            if token is None:
                return
