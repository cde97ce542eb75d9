"""Takes in the verdicts of Microsoft Defender for Storage, and gives them to the scan stage.

Defender scans a blob when it is written and tells the result by an event: often before the scan
stage asks, sometimes never. A result is kept in quarantine beside the import until that ends, one
blob for each version of a file and result: it can come twice, late, or in any order.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

import msgspec

from shared import messages
from shared.domain.errors import InvalidInput
from shared.domain.operation import Stage
from shared.domain.scanning.malware_event import ENGINE, MalwareResult, bare, parse_malware_result
from shared.domain.scanning.scan import Knowledge, Verdict, worst
from shared.ports import Blobs, Operations, Queues, Sample
from shared.topology import quarantine_prefix

_FOLDER = "defender"
_FILE = re.compile(r"(?P<instance>[^/]+)/(?P<operation>[^/]+)/(?P<file>[0-9]+/[0-9]+)")

log = logging.getLogger(__name__)


class KeptResult(msgspec.Struct, frozen=True):
    """A result as it waits for the scan stage."""

    sha256: str | None
    verdict: Verdict


@dataclass(slots=True)
class DefenderScanner:
    """Implements `ports.Scanner` by what Defender has told so far."""

    blobs: Blobs

    engine = ENGINE
    reads_files = False

    async def knowledge(self) -> Knowledge | None:
        """Not told: every version of a blob is scanned anew anyway."""
        return None

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        """The worst that was told of this very version and content; else `pending`."""
        found = []
        page = await self.blobs.list("quarantine", _kept(sample.blob, sample.etag))
        for item in page.items:
            content = await self.blobs.read("quarantine", item.name)
            if content is not None:
                kept = msgspec.json.decode(content, type=KeptResult)
                if kept.sha256 in (None, sample.sha256):
                    found.append(kept.verdict)
                else:
                    log.warning("a scan result on %s is of other content", sample.blob)
        return worst(found or [Verdict("pending", ENGINE, "", "")])


@dataclass(slots=True)
class DefenderResults:
    """Receives events."""

    blobs: Blobs
    operations: Operations
    queues: Queues

    async def receive(self, data: object) -> None:
        """Keep a result for the import that it is about; any other changes nothing."""
        try:
            result = parse_malware_result(data)
        except InvalidInput as error:
            log.warning("refused a scan result: %s", error.message)
            return
        name = self._name(result)
        match = _FILE.fullmatch(name)
        if match is None:
            return  # one of the small blobs that an import needs besides its files
        instance, identity = match["instance"], match["operation"]
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.stage not in (Stage.FETCH, Stage.SCAN):
            return  # it is over, or this was published before
        kept = KeptResult(result.sha256, result.verdict)
        await self.blobs.write(
            "quarantine",
            f"{_kept(name, result.etag)}{result.verdict.status}.json",
            msgspec.json.encode(kept),
        )
        if stored.value.awaited and await self._is_enough(instance, identity, result):
            await self.queues.put(messages.ScanImport(instance=instance, operation=identity))

    def _name(self, result: MalwareResult) -> str:
        """The name in quarantine; empty for a blob elsewhere."""
        start = self.blobs.address("quarantine", "x").removesuffix("x")
        if not result.blob_uri.startswith(start):
            return ""
        return result.blob_uri.removeprefix(start)

    async def _is_enough(self, instance: str, identity: str, result: MalwareResult) -> bool:
        """Whether it is worth to look now; the scan stage looks again by itself in any case."""
        if result.verdict.status != "clean":
            return True
        folder = f"{quarantine_prefix(instance, identity)}{_FOLDER}/"
        stored = await self.operations.get(instance, identity)
        page = await self.blobs.list("quarantine", folder)
        return stored is not None and len(page.items) >= len(stored.value.awaited)


def _kept(blob: str, etag: str) -> str:
    """What the names of the results on a version of a quarantined file begin with."""
    instance, identity, file = blob.split("/", 2)
    return f"{quarantine_prefix(instance, identity)}{_FOLDER}/{file}/{bare(etag)}/"
