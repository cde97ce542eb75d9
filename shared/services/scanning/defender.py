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
from shared.contract.encoding import b64
from shared.domain.errors import InvalidInput
from shared.domain.operation import Stage
from shared.domain.scanning.malware_event import ENGINE, MalwareResult, bare, parse_malware_result
from shared.domain.scanning.scan import Knowledge, Verdict, worst
from shared.ports import Blobs, Operations, Queues, Sample
from shared.services.scanning.evidence import Evidence
from shared.services.scanning.harm import HarmfulContent
from shared.topology import SCAN_REQUEST, Container, quarantine_prefix

_FOLDER = "defender"
_FILE = re.compile(r"(?P<instance>[^/]+)/(?P<operation>[^/]+)/(?P<file>[0-9]+/[0-9]+)")
_CONTENT = re.compile(r"(?P<instance>[^/]+)/(?P<sha256>[0-9a-f]{64})")

log = logging.getLogger(__name__)


class KeptResult(msgspec.Struct, frozen=True):
    """A result as it waits for the scan stage."""

    sha256: str | None
    verdict: Verdict


class _Listed(msgspec.Struct, frozen=True):
    """What the list of an import's files says of one."""

    blob: str
    sha256: str


@dataclass(slots=True)
class DefenderScanner:
    """Implements `ports.Scanner` by what Defender has told so far."""

    evidence: Evidence

    engine = ENGINE
    reads_files = False

    async def knowledge(self) -> Knowledge | None:
        """Not told: every version of a blob is scanned anew anyway."""
        return None

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        """The worst that was told of this very version and content; else `pending`."""
        found = []
        start = _kept(sample.blob, sample.etag)
        for item in (await self.evidence.blobs.list("quarantine", start)).items:
            kept = await self.evidence.read(item.name, KeptResult)
            if kept is not None:
                if kept.sha256 in (None, sample.sha256):
                    found.append(kept.verdict)
                else:
                    log.warning("a scan result on %s is of other content", sample.blob)
        return worst(found or [Verdict("pending", ENGINE, "", "")])


@dataclass(slots=True)
class DefenderResults:
    """Receives events."""

    blobs: Blobs
    evidence: Evidence
    operations: Operations
    queues: Queues
    harm: HarmfulContent

    async def receive(self, data: object) -> None:
        """Keep a result for the import that it is about.

        That content is malicious counts at any time, also once it is published. Any other result
        changes nothing.
        """
        try:
            result = parse_malware_result(data)
        except InvalidInput as error:
            log.warning("refused a scan result: %s", error.message)
            return
        if result.verdict.status == "malicious":
            await self._stop(result)
        name = self._name(result, "quarantine")
        match = _FILE.fullmatch(name)
        if match is None:
            return  # one of the small blobs that an import needs besides its files
        instance, identity = match["instance"], match["operation"]
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.stage not in (Stage.FETCH, Stage.DELTA, Stage.SCAN):
            return  # it is over, or this was published before
        kept = KeptResult(result.sha256, result.verdict)
        place = f"{_kept(name, result.etag)}{result.verdict.status}.json"
        await self.evidence.write(place, kept)
        if stored.value.awaited and await self._is_enough(instance, identity, result):
            await self.queues.put(messages.ScanImport(instance=instance, operation=identity))

    async def _stop(self, result: MalwareResult) -> None:
        """Stop what holds the bytes that were found malicious, if they can be told: by their hash,
        else by the version of a blob that is known to hold them.
        """
        published = _CONTENT.fullmatch(self._name(result, "content"))
        quarantined = _FILE.fullmatch(self._name(result, "quarantine"))
        sha256 = result.sha256
        if sha256 is None and published and await self._is_now(result, "content"):
            sha256 = b64(bytes.fromhex(published["sha256"]))
        elif sha256 is None and quarantined and await self._is_now(result, "quarantine"):
            sha256 = await self._listed(quarantined)
        match = published or quarantined
        if match is not None and sha256 is not None:
            await self.harm.found(match["instance"], sha256, result.verdict)

    async def _is_now(self, result: MalwareResult, container: Container) -> bool:
        known = await self.blobs.metadata(container, self._name(result, container))
        return known is not None and bare(known["etag"]) == bare(result.etag)

    async def _listed(self, match: re.Match[str]) -> str | None:
        """The hash that a quarantined file was fetched for."""
        prefix = quarantine_prefix(match["instance"], match["operation"])
        entries = await self.evidence.read(prefix + SCAN_REQUEST, list[_Listed]) or []
        return next((item.sha256 for item in entries if item.blob == match[0]), None)

    def _name(self, result: MalwareResult, container: Container) -> str:
        """The name in a container; empty for a blob elsewhere."""
        start = self.blobs.address(container, "x").removesuffix("x")
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
