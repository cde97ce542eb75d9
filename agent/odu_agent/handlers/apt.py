"""`microsoft/apt:1`: install, upgrade and remove Debian packages.

The step's one file is the APT manifest. What is installed is judged by what dpkg says. A package
without a version is one exception: any version would do for dpkg, so the step counts as done only
once it has been applied, and what it then installed is still there or newer.

A cancel lets dpkg go on for a while, then ends it and has it finish what it was in; so does the
next start after a power cut. What was installed by then stays.
"""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING, Any

from ..apt.failure import PackageErrors, failed, failure
from ..apt.manifest import AptManifest, Package, parse_apt_manifest
from ..apt.system import AptSystem, PackageState
from ..contract.codes import Erc, ResultCode
from ..contract.manifest import ManifestError
from ..processes import search_path
from ..state import JsonFile
from . import StepResult
from .settings import SettingError, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..processes import Completed
    from . import HandlerEnvironment, StepContext

logger = logging.getLogger(__name__)

_BACKUP = "packages-before.json"
_MOST_CRITERIA = 200


def create(environment: HandlerEnvironment) -> AptHandler:
    """Make the handler.

    Settings: `timeoutMinutes` (60) for one run of apt; `cancelPatienceSeconds` (120) that dpkg may
    go on after a cancel; `lockTimeoutSeconds` (600) to wait for others that use apt;
    `allowDowngrade` (true), false refuses every package older than what is installed.
    """
    settings = Settings(environment.settings)
    missing = [name for name in ("apt-get", "dpkg") if not shutil.which(name, path=search_path())]
    if missing:
        raise SettingError(f"{missing[0]} is not installed on this device")
    system = AptSystem(
        root=environment.root,
        folder=environment.folder,
        seconds=60 * settings.number("timeoutMinutes", 60),
        patience_seconds=settings.number("cancelPatienceSeconds", 120),
        lock_seconds=int(settings.number("lockTimeoutSeconds", 600)),
    )
    allow_downgrade = settings.flag("allowDowngrade", default=True)
    return AptHandler(system, environment.folder, allow_downgrade=allow_downgrade)


class AptHandler:
    """Carries out APT manifests in one package system."""

    def __init__(self, system: AptSystem, folder: Path, *, allow_downgrade: bool = True) -> None:
        self._system = system
        self._allow_downgrade = allow_downgrade
        self._applied = JsonFile(folder / "installed-criteria.json")
        folder.mkdir(parents=True, exist_ok=True)

    def is_installed(self, step: StepContext) -> StepResult:
        """900 if dpkg has all that the manifest asks for."""
        manifest = _manifest(step)
        is_there = not self._missing(manifest, self._applied_versions(step))
        return StepResult(ResultCode.INSTALLED if is_there else ResultCode.NOT_INSTALLED)

    def download(self, step: StepContext) -> StepResult:
        """Fetch the packages; the lists may stay old where they cannot be fetched."""
        manifest = _manifest(step)
        self._recover()
        refreshed = self._system.refresh(step.cancelled)
        if not refreshed.is_success:
            logger.warning("the lists of packages stay as they are: %s", refreshed.last_line)
        held = self._held(manifest)
        if held:
            return failed(Erc.APT_PACKAGE_HELD, f"held: {' '.join(held)}")
        arguments = _arguments(manifest)
        if arguments:
            fetched = self._system.fetch(
                arguments, step.cancelled, allow_downgrade=self._allow_downgrade
            )
            if not fetched.is_success:
                return failure(Erc.APT_DOWNLOAD_FAILED, fetched)
        return StepResult(ResultCode.DOWNLOAD_SUCCESS)

    def backup(self, step: StepContext) -> StepResult:
        """Note which versions were there; a note made before a power cut counts."""
        kept = JsonFile(step.work_folder / _BACKUP)
        if "packages" not in kept.read():
            states = self._system.packages()
            names = [package.name for package in _manifest(step).packages]
            kept.update({"packages": {name: _version(states.get(name)) for name in names}})
        return StepResult(ResultCode.BACKUP_SUCCESS)

    def install(self, step: StepContext) -> StepResult:
        """Have apt do it, then ask dpkg whether it is done."""
        manifest = _manifest(step)
        self._recover()
        arguments = _arguments(manifest)
        if not arguments:
            return StepResult(ResultCode.INSTALL_SUCCESS)
        errors = PackageErrors()
        completed = self._system.install(
            arguments, step.cancelled, allow_downgrade=self._allow_downgrade, on_status=errors
        )
        if not completed.is_success:
            return failure(Erc.APT_INSTALL_FAILED, completed, errors)
        missing = self._missing(manifest, None)
        if missing:
            names = ", ".join(map(str, missing))
            return failed(Erc.APT_INSTALL_FAILED, f"apt ended well, but dpkg has not: {names}")
        return StepResult(ResultCode.INSTALL_SUCCESS)

    def apply(self, step: StepContext) -> StepResult:
        """Note what was applied; ask for a reboot or a start of the agent where that is wanted."""
        manifest = _manifest(step)
        states = self._system.packages()
        record = {
            "state": "installed",
            "timestamp": int(time.time()),
            "versions": {
                package.name: _version(states.get(package.name))
                for package in manifest.packages
                if not package.is_removed
            },
        }
        self._note(_criteria(step), record)
        if manifest.is_reboot_required:
            return StepResult(ResultCode.APPLY_REBOOT_NOW)
        details = "a package asks for a reboot" if self._system.wants_reboot() else None
        if manifest.restarts_agent:
            return StepResult(ResultCode.APPLY_RESTART_NOW, details=details)
        return StepResult(ResultCode.APPLY_SUCCESS, details=details)

    def restore(self, step: StepContext) -> StepResult:
        """Put the noted versions back, where the package sources or the cache still have them."""
        before = JsonFile(step.work_folder / _BACKUP).read().get("packages")
        if not isinstance(before, dict):
            return StepResult(ResultCode.RESTORE_UNSUPPORTED)
        states = self._system.packages()
        changed = [
            Package(name, version, is_removed=version is None).argument
            for name, version in before.items()
            if _version(states.get(name)) != version
        ]
        if changed:
            completed = self._system.install(changed, None, allow_downgrade=True)
            if not completed.is_success:
                logger.warning("packages cannot be put back: %s", completed.last_line)
                return StepResult(ResultCode.RESTORE_UNSUPPORTED, details=completed.last_line)
        return StepResult(ResultCode.RESTORE_SUCCESS)

    def cancel(self, step: StepContext) -> StepResult:
        """Have dpkg finish what it was ended in."""
        self._recover()
        is_whole = not self._system.unsettled()
        return StepResult(ResultCode.CANCEL_SUCCESS if is_whole else ResultCode.CANCEL_UNABLE)

    def _recover(self) -> None:
        """After a power cut or an ended dpkg: let it finish. What still fails then, apt says."""
        if not self._system.is_interrupted() and not self._system.unsettled():
            return
        logger.warning("dpkg was interrupted, or left a package half done: it goes on")
        _log_failure(self._system.configure())
        _log_failure(self._system.mend())
        for state in self._system.unsettled():
            if not self._system.reinstall(f"{state.name}={state.version}").is_success:
                _log_failure(self._system.reinstall(state.name))

    def _missing(self, manifest: AptManifest, applied: Mapping[str, Any] | None) -> list[Package]:
        """What of the manifest is not as it asks.

        Packages without a version are as asked in the version that was applied or a later one, or
        in any if `applied` is None.
        """
        states = self._system.packages()
        return [
            package
            for package in manifest.packages
            if not self._is_as_asked(package, states.get(package.name), applied)
        ]

    def _is_as_asked(
        self, package: Package, state: PackageState | None, applied: Mapping[str, Any] | None
    ) -> bool:
        if package.is_removed:
            return state is None or state.is_absent
        if state is None or not state.is_installed:
            return False
        if package.version is not None:
            return state.version == package.version
        if applied is None:
            return True
        version = applied.get(package.name)
        return isinstance(version, str) and self._system.is_at_least(state.version, version)

    def _held(self, manifest: AptManifest) -> list[str]:
        states = self._system.packages()
        missing = self._missing(manifest, {})
        return [
            package.name
            for package in missing
            if package.name in states and states[package.name].is_held
        ]

    def _applied_versions(self, step: StepContext) -> Mapping[str, Any]:
        record = self._records().get(_criteria(step))
        versions = record.get("versions") if isinstance(record, dict) else None
        return versions if isinstance(versions, dict) else {}

    def _records(self) -> dict[str, Any]:
        records = self._applied.read().get("criteria")
        return records if isinstance(records, dict) else {}

    def _note(self, criteria: str, record: Mapping[str, Any]) -> None:
        others = [(name, old) for name, old in self._records().items() if name != criteria]
        newest = dict(others[-(_MOST_CRITERIA - 1) :])
        self._applied.update({"criteria": {**newest, criteria: record}})


def _manifest(step: StepContext) -> AptManifest:
    """The step's APT manifest, fetched if need be: it is small."""
    if len(step.files) != 1:
        raise ManifestError(Erc.APT_WRONG_FILE_COUNT, "an apt step has exactly one file")
    _criteria(step)
    step.fetch_files()
    return parse_apt_manifest(step.files[0].path.read_bytes())


def _criteria(step: StepContext) -> str:
    criteria = step.step.installed_criteria
    if not criteria:
        raise ManifestError(Erc.APT_NO_INSTALLED_CRITERIA, "an apt step needs installedCriteria")
    return criteria


def _arguments(manifest: AptManifest) -> list[str]:
    return [package.argument for package in manifest.packages]


def _version(state: PackageState | None) -> str | None:
    return None if state is None or state.is_absent else state.version


def _log_failure(completed: Completed) -> None:
    if not completed.is_success:
        logger.warning("%s", completed.last_line)
