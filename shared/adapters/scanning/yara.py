"""The YARA-X engine, for the scanning process."""

from __future__ import annotations

from pathlib import Path

import yara_x

from shared.adapters.scanning.limits import EngineFailed, OutOfTime
from shared.adapters.scanning.rules import knowledge_of, rule_sources
from shared.domain.scanning.scan import Knowledge

MAX_NAMES = 20


class Yara:
    """The rules of some folders, compiled.

    Raises:
        EngineFailed: They do not compile.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        sources = rule_sources(folders)
        self._knowledge = knowledge_of(sources)
        compiler = yara_x.Compiler()
        compiler.enable_includes(False)
        try:
            compiler.add_source("\n".join(sources))
            rules = compiler.build()
        except yara_x.CompileError as error:
            raise EngineFailed(f"the rules do not compile: {error}") from error
        if not list(rules):
            raise EngineFailed("there is no rule")
        self._scanner = yara_x.Scanner(rules)

    def knowledge(self, seconds: float) -> Knowledge:
        """The versions of the engine and of the rules."""
        return self._knowledge

    def scan(self, data: bytes | Path, seconds: float) -> tuple[str, ...]:
        """The names of the rules that match flat bytes or a file, at most `MAX_NAMES`.

        Raises:
            EngineFailed: It failed.
            OutOfTime: It took longer than `seconds`.
        """
        self._scanner.set_timeout(max(1, round(seconds)))
        try:
            if isinstance(data, Path):
                results = self._scanner.scan_file(str(data))
            else:
                results = self._scanner.scan(data)
        except yara_x.TimeoutError as error:
            raise OutOfTime from error
        except yara_x.ScanError as error:
            raise EngineFailed(f"the scan failed ({type(error).__name__})") from error
        return tuple(rule.identifier for rule in results.matching_rules)[:MAX_NAMES]
