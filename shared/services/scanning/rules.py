"""The YARA rules that an operator put in the place of the shipped ones.

They are one blob. Rules that do not compile are refused and the ones before stay in use, also in
processes that start later: the last good ones are kept beside them. A small status blob says what
became of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field

from shared.domain.errors import ConcurrentUpdate, DependencyFailed, InvalidInput, LimitExceeded
from shared.ports import Blobs, Clock, RuleScanner

RULES = "scan.yar"
ACCEPTED = "scan.accepted.yar"
STATUS = "scan.status.json"
MAX_RULES_BYTES = 8 << 20
_NEVER = "never"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ScanRules:
    """Keeps the scanner at the rules of the container `rules`."""

    blobs: Blobs
    scanner: RuleScanner
    clock: Clock
    _etag: str | None = field(default=_NEVER, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def refresh(self) -> None:
        """Load the rules if they have changed since; without any the shipped ones are in use.

        Raises:
            DependencyFailed: They cannot be read: it is unknown what to scan with.
        """
        async with self._turn:
            known = await self.blobs.metadata("rules", RULES)
            etag = known["etag"] if known else None
            if etag == self._etag:
                return
            if etag is None:
                await self._use_shipped()
            else:
                await self._use(etag)
            self._etag = etag

    async def _use_shipped(self) -> None:
        if self._etag != _NEVER:
            await self.scanner.load(None)
        for name in (ACCEPTED, STATUS):
            known = await self.blobs.metadata("rules", name)
            if known is not None:
                await self.blobs.delete("rules", name, known["etag"])

    async def _use(self, etag: str) -> None:
        try:
            content = await self.blobs.read("rules", RULES, max_bytes=MAX_RULES_BYTES)
            if content is None:
                raise ConcurrentUpdate("The rules were removed meanwhile.")
            await self._load(content)
        except (InvalidInput, LimitExceeded) as error:
            log.error("%s Those before stay in use.", error.message)  # noqa: TRY400 (no bug of ours)
            await self._say("refused", etag, error.message)
            await self._go_back()
            return
        if await self.blobs.read("rules", ACCEPTED, max_bytes=MAX_RULES_BYTES) != content:
            await self.blobs.write("rules", ACCEPTED, content)
        await self._say("accepted", etag)

    async def _go_back(self) -> None:
        """Use the last good rules; a process that has just started does not have them yet."""
        accepted = await self.blobs.read("rules", ACCEPTED, max_bytes=MAX_RULES_BYTES)
        try:
            if accepted is not None:
                await self._load(accepted)
        except InvalidInput as error:
            raise DependencyFailed(f"There are no rules to scan with: {error.message}") from error

    async def _load(self, content: bytes) -> None:
        try:
            rules = content.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput("The rules are refused: they are not UTF-8.") from error
        await self.scanner.load(rules)

    async def _say(self, status: str, etag: str, reason: str | None = None) -> None:
        """Write down what became of the rules, once for each version of them."""
        said = await self.blobs.read("rules", STATUS)
        if said is not None and _outcome(said) == (status, etag):
            return
        known = await self.scanner.knowledge()
        facts = {
            "status": status,
            "etag": etag,
            "rulesVersion": known.rules_version if known and reason is None else None,
            "reason": reason,
            "at": self.clock.now(),
        }
        await self.blobs.write("rules", STATUS, json.dumps(facts, indent=1).encode())


def _outcome(content: bytes) -> tuple[object, object]:
    facts = json.loads(content)
    return facts.get("status"), facts.get("etag")
