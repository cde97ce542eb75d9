"""What a device was asked to do, and what its row remembers when it is asked something else."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.updates.update_id import UpdateId

type Precedence = tuple[bool, int, str, str, str]
"""Whether it is the device's own, priority, start, creation, workflow id: the greatest decides."""
type Times = tuple[str, str, str]
"""Start, creation and workflow id of a deployment; the last part only settles a tie."""

DEFAULT_PRIORITY = 500
_WORKFLOW_DIGITS = 12


@dataclass(frozen=True, slots=True)
class SignatureGeneration:
    """Which signature devices are handed, by edition of the keyring.

    `workflow` is the edition since which devices see a new workflow, because they refuse what was
    signed before; 0 if there is none.
    """

    edition: int = 0
    workflow: int = 0


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """What a device was last asked to do, and as member of which group and class.

    `file_ids` are those whose links may stand in the twin. `retry_count` is how often it was asked
    again after a failure, `ask` how often a new workflow had to be made of it for the device,
    `precedence` and `priority` are the deployment's, `at` is when it was first asked, `asked_at`
    when last. `label` and `slot_minutes` say how a roll-out counts the ask (`rollouts.figures`),
    `had_it` that the update was installed already. `canceled_at` is when it was told to stop,
    `withdrawn_at` the same where no device had begun; `is_given_up`, that nobody waits any more for
    it to say that it has. `refusal` is why the hub will never take the command, `refused_at` when
    it said so. `traceparent` is the W3C trace context of the ask, where the
    device's report is to be told as part of it.
    """

    workflow_id: str
    retry_timestamp: str | None
    is_cancel: bool
    deployment_id: str
    group_id: str
    class_id: str
    update_id: UpdateId
    file_ids: tuple[str, ...] = ()
    issue: SignatureGeneration = SignatureGeneration()
    retry_count: int = 0
    precedence: Times = ("", "", "")
    at: str = ""
    priority: int = DEFAULT_PRIORITY
    is_own: bool = False
    ask: int = 0
    asked_at: str = ""
    label: str = ""
    slot_minutes: int = 0
    had_it: bool = False
    canceled_at: str = ""
    withdrawn_at: str = ""
    is_given_up: bool = False
    refusal: str = ""
    refused_at: str = ""
    traceparent: str = field(default="", compare=False)

    @property
    def workflow_on_device(self) -> str:
        """The workflow id that the device sees and reports: readers take what is before the first
        dot.
        """
        if self.ask:
            return f"{self.workflow_id}.{self.issue.workflow}.{self.ask}"
        edition = self.issue.workflow
        return f"{self.workflow_id}.{edition}" if edition else self.workflow_id

    @property
    def home(self) -> tuple[str, str]:
        """The group and class as whose member it was asked."""
        return self.group_id, self.class_id

    @property
    def stamp(self) -> str:
        """When it was last asked: only a retry that is newer is due."""
        return max(self.asked_at, self.at, self.retry_timestamp or "")


@dataclass(frozen=True, slots=True)
class PastAsk:
    """A deployment that a device has moved on from, by the end of its workflow id.

    `is_answered` says that the device gave a sign of it and has been asked as member of no other
    group or class since: it is not asked that again.
    """

    workflow: str
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The last ask that a device gave a sign of: where it was asked, and what outranks it."""

    group_id: str
    class_id: str
    workflow_id: str
    precedence: Precedence

    @property
    def home(self) -> tuple[str, str]:
        """The group and class as whose member it was asked."""
        return self.group_id, self.class_id


def past_name(workflow_id: str) -> str:
    """What a row remembers of a workflow that its device has moved on from."""
    return workflow_id[-_WORKFLOW_DIGITS:]


def precedence_of(command: DeviceCommand) -> Precedence:
    """The precedence of the deployment that a device was asked for."""
    return (command.is_own, command.priority, *command.precedence)
