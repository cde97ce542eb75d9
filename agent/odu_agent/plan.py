"""Unfold a manifest into its inline steps: detached manifests, child updates, components."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .components import select
from .content import WantedFile
from .contract.codes import Erc
from .contract.manifest import (
    ManifestError,
    UpdateManifest,
    parse_detached,
    parse_update_manifest,
)
from .handlers import Component, LocalFile, StepContext
from .names import is_plain_file_name, local_name

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from .components import Enumerator
    from .content import Content
    from .contract.manifest import ManifestStep
    from .handlers import Handler

_MAXIMUM_DETACHED_BYTES = 4 * 1024 * 1024
OWN_LOOP = ""


@dataclass(frozen=True)
class Part:
    """An inline step with its handler.

    Attributes:
        name: Of its own in the deployment, and the same in every run of it.
        position: Of its top-level step.
        loop: The steps that it is one of: `OWN_LOOP` for those of the update itself, else those
            of a child update for one component.
        handler: Carries it out.
        context: What the handler gets.
        files: Of the step, with what the manifest says of them.
    """

    name: str
    position: int
    loop: str
    handler: Handler
    context: StepContext
    files: tuple[WantedFile, ...]


@dataclass(frozen=True)
class Plan:
    """All inline steps of an update, in order.

    Attributes:
        parts: The inline steps.
        unmatched: Positions of reference steps for whose child the device has no component.
    """

    parts: tuple[Part, ...]
    unmatched: tuple[int, ...]


@dataclass(frozen=True)
class _Scope:
    """What the steps of one manifest for one component have in common."""

    manifest: UpdateManifest
    files: Path
    component: Component | None = None
    child_of: int | None = None


@dataclass(frozen=True)
class Planner:
    """Makes the plan of one deployment.

    Attributes:
        handlers: By the names that steps use.
        content: Where files come from.
        folder: Of the workflow.
        cancelled: Handed to the steps.
        load_enumerator: Gives who knows the components; None for the device itself as the only one.
    """

    handlers: Mapping[str, Handler]
    content: Content
    folder: Path
    cancelled: threading.Event
    load_enumerator: Callable[[], Enumerator | None]

    def whole(self, manifest: UpdateManifest) -> UpdateManifest:
        """The manifest itself, or the one in the file that a short manifest names.

        Raises:
            ManifestError: The file is unfit.
            DownloadError: It cannot be had.
        """
        file_id = manifest.detached_manifest_file_id
        if file_id is None:
            return manifest
        whole = parse_update_manifest(self._detached(manifest, file_id, Erc.DETACHED_FILE_MISSING))
        if whole.update_id != manifest.update_id or whole.detached_manifest_file_id:
            raise ManifestError(Erc.DETACHED_BAD, "the detached manifest is of another update")
        return whole

    def plan(self, manifest: UpdateManifest) -> Plan:
        """Plan a whole manifest.

        Raises:
            ManifestError: It asks for what the device has not, or what no manifest may ask for.
            DownloadError: The manifest of a child cannot be had.
        """
        own = _Scope(manifest, self.folder / "files")
        parts: list[Part] = []
        unmatched = []
        for position, step in enumerate(manifest.steps):
            file_id = step.detached_manifest_file_id
            if file_id is None:
                parts.append(self._part(own, position, step))
                continue
            scopes = self._scopes(manifest, position, file_id)
            parts += [
                self._part(scope, index, inner)
                for scope in scopes
                for index, inner in enumerate(scope.manifest.steps)
            ]
            if not scopes:
                unmatched.append(position)
        return Plan(tuple(parts), tuple(unmatched))

    def _scopes(self, manifest: UpdateManifest, position: int, file_id: str) -> list[_Scope]:
        """The child of a reference step, once for each component that it is for."""
        child = parse_update_manifest(
            self._detached(manifest, file_id, Erc.STEPS_FILE_MISSING), check_version=False
        )
        if child.detached_manifest_file_id or any(inner.is_reference for inner in child.steps):
            raise ManifestError(Erc.STEPS_NESTED_REFERENCE, "a child refers to a further child")
        components: list[Component | None] = [None]
        enumerator = self.load_enumerator()
        if enumerator is not None:
            properties = child.compatibility[0] if child.compatibility else {}
            components = list(select(enumerator, properties))
        files = self.folder / f"child-{position}"
        return [_Scope(child, files, component, position) for component in components]

    def _detached(self, manifest: UpdateManifest, file_id: str, missing: Erc) -> str:
        file = manifest.files.get(file_id)
        if file is None:
            raise ManifestError(missing, "the file of a detached manifest is not listed")
        if file.size_in_bytes > _MAXIMUM_DETACHED_BYTES:
            raise ManifestError(Erc.DETACHED_BAD, "a detached manifest is too large")
        path = self.folder / "manifests" / local_name(file_id)
        self.content.fetch(WantedFile(file_id, file, path))
        try:
            return parse_detached(path.read_text("utf-8"))
        except UnicodeDecodeError:
            raise ManifestError(Erc.DETACHED_NOT_JSON, "a detached manifest is not UTF-8") from None

    def _part(self, scope: _Scope, index: int, step: ManifestStep) -> Part:
        handler = self.handlers.get(step.handler or "")
        if handler is None:
            message = f"there is no handler {step.handler!r:.80}"
            raise ManifestError(Erc.HANDLER_NOT_REGISTERED, message)
        position = index if scope.child_of is None else scope.child_of
        loop = OWN_LOOP if scope.child_of is None else str(position)
        name = f"{position}-{index}"
        if scope.component is not None:
            mark = hashlib.sha256(scope.component.id.encode()).hexdigest()[:12]
            loop, name = f"{loop}-{mark}", f"{name}-{mark}"
        wanted = [_wanted(scope, file_id) for file_id in step.files]
        work_folder = self.folder / "work" / name
        work_folder.mkdir(parents=True, exist_ok=True)

        def fetch_files(*file_ids: str) -> None:
            self.content.fetch(
                *(item for item in wanted if not file_ids or item.file_id in file_ids)
            )

        context = StepContext(
            update_id=scope.manifest.update_id,
            index=index,
            step=step,
            files=tuple(LocalFile(item.file_id, item.file.file_name, item.path) for item in wanted),
            work_folder=work_folder,
            cancelled=self.cancelled,
            fetch_files=fetch_files,
            component=scope.component,
        )
        return Part(name, position, loop, handler, context, tuple(wanted))


def _wanted(scope: _Scope, file_id: str) -> WantedFile:
    file = scope.manifest.files.get(file_id)
    if file is None:
        raise ManifestError(Erc.STEPS_FILE_MISSING, f"a step names no file of it: {file_id:.64}")
    if not is_plain_file_name(file.file_name):
        message = f"the file name {file.file_name!r:.80} is not allowed"
        raise ManifestError(Erc.DOWNLOAD_INVALID_FILE, message)
    return WantedFile(file_id, file, scope.files / local_name(file_id))
