"""Who may do what: the roles of Device Update, one for approvers, and the data actions of each.

A token carries role values such as `DeviceUpdateReader`, or `DeviceUpdateReader/<instance>` for a
role on one instance only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.errors import Forbidden


class Action(StrEnum):
    """Data actions: the first six as in Azure's role definitions, the others are our own.

    `management/approve` approves and rejects roll-outs, `audit` is the audit log; `operations` are
    queues and what failed in them for good.
    """

    UPDATES_READ = "updates/read"
    UPDATES_WRITE = "updates/write"
    UPDATES_DELETE = "updates/delete"
    MANAGEMENT_READ = "management/read"
    MANAGEMENT_WRITE = "management/write"
    MANAGEMENT_DELETE = "management/delete"
    MANAGEMENT_APPROVE = "management/approve"
    AUDIT_READ = "audit/read"
    OPERATIONS_READ = "operations/read"
    OPERATIONS_WRITE = "operations/write"

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.endswith("/read")

    @property
    def counts_as(self) -> str:
        """Whose budget of requests it takes: `read`, `write` or `delete`."""
        return "write" if self is Action.MANAGEMENT_APPROVE else self.rpartition("/")[2]


class Role(StrEnum):
    """The built-in roles, by the value that an app role carries in a token; `APPROVER` is our own:
    it approves what others deploy, and deploys nothing.
    """

    ADMINISTRATOR = "DeviceUpdateAdministrator"
    READER = "DeviceUpdateReader"
    CONTENT_ADMINISTRATOR = "DeviceUpdateContentAdministrator"
    CONTENT_READER = "DeviceUpdateContentReader"
    DEPLOYMENTS_ADMINISTRATOR = "DeviceUpdateDeploymentsAdministrator"
    DEPLOYMENTS_READER = "DeviceUpdateDeploymentsReader"
    APPROVER = "DeviceUpdateApprover"


_CONTENT = frozenset({Action.UPDATES_READ, Action.UPDATES_WRITE, Action.UPDATES_DELETE})
_MANAGEMENT = frozenset(
    {
        Action.MANAGEMENT_READ,
        Action.MANAGEMENT_WRITE,
        Action.MANAGEMENT_DELETE,
        Action.MANAGEMENT_APPROVE,
    }
)

ROLE_ACTIONS: dict[Role, frozenset[Action]] = {
    Role.ADMINISTRATOR: frozenset(Action),
    Role.READER: frozenset({Action.UPDATES_READ, Action.MANAGEMENT_READ, Action.AUDIT_READ}),
    Role.CONTENT_ADMINISTRATOR: _CONTENT,
    Role.CONTENT_READER: frozenset({Action.UPDATES_READ}),
    Role.DEPLOYMENTS_ADMINISTRATOR: _MANAGEMENT | {Action.UPDATES_READ},
    Role.DEPLOYMENTS_READER: frozenset({Action.MANAGEMENT_READ, Action.UPDATES_READ}),
    Role.APPROVER: frozenset(
        {Action.MANAGEMENT_READ, Action.MANAGEMENT_APPROVE, Action.UPDATES_READ}
    ),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the object id of a user or a managed identity, its role values, and its name
    where the token has one.
    """

    object_id: str
    roles: tuple[str, ...]
    name: str | None = None


def actions_of(role_values: Iterable[str], instance_id: str) -> frozenset[Action]:
    """What a token with these role values may do in an instance; unknown values count for
    nothing.
    """
    granted: set[Action] = set()
    for value in role_values:
        name, slash, scope = value.partition("/")
        # a slash with nothing behind it names no instance, and so is no role: not for "" either
        if name in Role and (not slash or (scope and scope == instance_id)):
            granted |= ROLE_ACTIONS[Role(name)]
    return frozenset(granted)


def authorize(role_values: Iterable[str], instance_id: str, action: Action) -> None:
    """Let the action pass or refuse it.

    Raises:
        Forbidden: No role of the token has the action in this instance.
    """
    if action in actions_of(role_values, instance_id):
        return
    able = ", ".join(role for role, actions in ROLE_ACTIONS.items() if action in actions)
    scopes = sorted({value.partition("/")[2] for value in role_values} - {"", instance_id})
    meant = f" The token's roles are for instance {', '.join(scopes)[:200]}." if scopes else ""
    raise Forbidden(
        f"This needs the action '{action}' on instance '{instance_id}'; roles that have it: "
        f"{able}.{meant}"
    )
