"""The open-source C agent (release 1.1.0) as a model, with the defects that services must bear.

It knows no network and no clock: it is told what the hub tells it and when its work has come
further, and gives back what it reports. The defects, as seen in runs and read in its source:

- state 6 is reported before anything else is looked at, so also for what it then ignores;
- a workflow that failed to download stays held: a new workflow then runs the *old* steps, with the
  old links, and reports them as the new update, until the process starts anew;
- a retry of a held workflow takes the new timestamp alone, and the links of the first message;
- a workflow that is given another while it works hangs: nothing runs and nothing is reported;
- a failure to install is reported as 255 and then as 0 with the same result;
- whatever stands in the twin is run at every start, failed before or not;
- a manifest that does not fit into the twin is never understood (8030000B).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from shared.contract.codes import Action, AgentState, Erc, ResultCode
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import result_report, startup_report, workflow_member

VERSION = "DU;agent/1.1.0"

type Report = dict[str, Any]


class Phase(Enum):
    """What the agent does for the workflow that it holds."""

    DOWNLOAD = "download"
    INSTALL = "install"
    IDLE = "idle"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a manifest orders.

    Attributes:
        update_id: The update; None for one that the agent cannot read or does not trust.
        refusal: Why, as an extended result code; most often that it is detached.
        is_of_package: Whether the root key package is at fault.
    """

    update_id: ManifestUpdateId | None
    refusal: int = int(Erc.DETACHED_FILE_MISSING)
    is_of_package: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """The workflow that the agent holds. `steps` and `links` are those that it runs with."""

    workflow_id: str
    retry_timestamp: str | None
    action: int
    update_id: ManifestUpdateId | None
    steps: ManifestUpdateId | None
    links: Mapping[str, str]
    phase: Phase = Phase.IDLE
    has_failed_download: bool = False
    is_canceling: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """Steps that were run to their end, and the update that they were reported as."""

    workflow_id: str
    reported_as: ManifestUpdateId | None
    steps: ManifestUpdateId | None


@dataclass(slots=True)
class CAgent:
    """One device.

    Args:
        manufacturer, model: What it introduces itself as.
        read: Reads a manifest.
        download: Tries to fetch with some links; the extended result code, 0 if it worked.
        install: Tries to install; likewise.
    """

    manufacturer: str
    model: str
    read: Callable[[str], Ordered]
    download: Callable[[Mapping[str, str]], int] = lambda _: 0
    install: Callable[[], int] = lambda: 0
    installed: ManifestUpdateId | None = None
    ran: list[Ran] = field(default_factory=list)
    held: Held | None = None
    _completed: str | None = None
    _is_fresh: bool = True

    @property
    def is_working(self) -> bool:
        """Whether something runs."""
        return self.held is not None and self.held.phase in (Phase.DOWNLOAD, Phase.INSTALL)

    @property
    def is_hung(self) -> bool:
        """Whether it does nothing any more until it starts anew."""
        return self.held is not None and self.held.phase is Phase.HUNG

    def start(self, service: Mapping[str, Any] | None) -> list[Report]:
        """A new process, with the whole twin: what it is asked comes before its introduction."""
        self.held, self._completed, self._is_fresh = None, None, True
        said = self.desired(service) if service else []
        return [*said, startup_report(self.manufacturer, self.model, agent_version=VERSION)]

    def desired(self, service: Mapping[str, Any]) -> list[Report]:
        """What the hub says is desired: a change, or the same again when the token is renewed."""
        workflow = service.get("workflow") or {}
        identity, action = workflow.get("id"), workflow.get("action")
        if not identity or not service.get("rootKeyPackageUrl") or not action:
            return []
        if action == Action.CANCEL:
            return self._cancel(identity, workflow)
        stamp = workflow.get("retryTimestamp")
        member = workflow_member(action, identity, stamp)
        said = [
            result_report(AgentState.DEPLOYMENT_IN_PROGRESS, ResultCode.SUCCESS, workflow=member)
        ]
        ordered = self.read(service.get("updateManifest") or "")
        if ordered.update_id is None:
            # Only a bad root key package is reported under the workflow that it came with.
            old = self._member() if self.held is not None else None
            named = member if ordered.is_of_package else old
            return [_failed((ordered.refusal,), workflow=named)]
        fresh = Held(
            workflow_id=identity,
            retry_timestamp=stamp,
            action=action,
            update_id=ordered.update_id,
            steps=ordered.update_id,
            links=dict(service.get("fileUrls") or {}),
        )
        return said + self._process(fresh)

    def work(self) -> list[Report]:
        """What runs comes to the end of its phase."""
        held = self.held
        if held is None or not self.is_working:
            return []
        if held.is_canceling:
            self.held = None
            return [self._report(held, AgentState.IDLE, ResultCode.CANCELLED)]
        if held.phase is Phase.DOWNLOAD:
            return self._download(held)
        return self._install(held)

    # what is asked

    def _process(self, fresh: Held) -> list[Report]:
        held = self.held
        if held is None:
            if not self._is_fresh and fresh.workflow_id == self._completed:
                return []
            return self._begin(fresh)
        if held.workflow_id == fresh.workflow_id:
            is_retry = fresh.retry_timestamp not in (None, held.retry_timestamp)
            if not is_retry:
                return []
            again = replace(held, retry_timestamp=fresh.retry_timestamp, action=fresh.action)
            return self._hang(again) if self.is_working or self.is_hung else self._begin(again)
        if self.is_working or self.is_hung:
            return self._hang(fresh)
        if held.has_failed_download:  # it replaces, and keeps the children of what it replaces
            return self._begin(replace(fresh, steps=held.steps, links=held.links))
        return self._begin(fresh)

    def _begin(self, held: Held) -> list[Report]:
        self._is_fresh = False
        if self.installed is not None and held.steps == self.installed:
            return self._succeeded(held)
        self.held = replace(held, phase=Phase.DOWNLOAD, has_failed_download=False)
        return []

    def _hang(self, held: Held) -> list[Report]:
        self.held = replace(held, phase=Phase.HUNG)
        return []

    def _cancel(self, identity: str, workflow: Mapping[str, Any]) -> list[Report]:
        was_fresh, self._is_fresh = self._is_fresh, False
        if self.held is None:
            stamp = workflow.get("retryTimestamp")
            self.held = Held(identity, stamp, int(Action.CANCEL), None, steps=None, links={})
            if not was_fresh:
                self.held = None
                return []
            return [self._report(self.held, AgentState.IDLE, ResultCode.IDLE_SUCCESS)]
        if self.is_working:
            self.held = replace(self.held, is_canceling=True)
        return []  # after a failure what is held stays held

    # what runs

    def _download(self, held: Held) -> list[Report]:
        code = self.download(held.links)
        if code:
            self.held = replace(held, phase=Phase.IDLE, has_failed_download=True)
            return [_failed((code,), workflow=self._member())]
        self.held = replace(held, phase=Phase.INSTALL)
        return []

    def _install(self, held: Held) -> list[Report]:
        code = self.install()
        if code:
            self.held = None
            member = workflow_member(held.action, held.workflow_id, held.retry_timestamp)
            return [
                _failed((code,), workflow=member),
                result_report(
                    AgentState.IDLE,
                    ResultCode.FAILURE,
                    extended_result_codes=(code,),
                    workflow=member,
                ),
            ]
        self.installed = held.steps
        return self._succeeded(held)

    def _succeeded(self, held: Held) -> list[Report]:
        self.held, self._completed = None, held.workflow_id
        self.ran.append(Ran(held.workflow_id, held.update_id, held.steps))
        return [
            self._report(
                held,
                AgentState.IDLE,
                ResultCode.APPLY_SUCCESS,
                installed_update_id=held.update_id,
            )
        ]

    def _member(self) -> dict[str, Any]:
        assert self.held is not None
        return workflow_member(self.held.action, self.held.workflow_id, self.held.retry_timestamp)

    @staticmethod
    def _report(held: Held, state: AgentState, code: int, **more: Any) -> Report:
        member = workflow_member(held.action, held.workflow_id, held.retry_timestamp)
        return result_report(state, code, workflow=member, **more)


def _failed(codes: tuple[int, ...], workflow: Mapping[str, Any] | None) -> Report:
    return result_report(
        AgentState.FAILED, ResultCode.FAILURE, extended_result_codes=codes, workflow=workflow
    )
