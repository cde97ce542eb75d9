"""A whole deployment, both stages together, whichever language describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.values import Deployment, Resource, TemplateError

OPERATOR = "11111111-1111-1111-1111-111111111111"
SUFFIX = "abcdefghijklm"
"""What both readers take for the unique ending of names."""

ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
STORAGE = "Microsoft.Storage/storageAccounts"


@dataclass(frozen=True, slots=True)
class Site:
    """The resources and outputs of a deployment, with the questions that the rules ask of them."""

    deployed: Deployment

    @property
    def resources(self) -> list[Resource]:
        """Everything that is deployed."""
        return self.deployed.resources

    @property
    def shown(self) -> Mapping[str, Any]:
        """Every output."""
        return self.deployed.shown

    @property
    def is_private(self) -> bool:
        """Whether state, keys and twin changes are in a private network."""
        return bool(self.of("Microsoft.Network/virtualNetworks"))

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the app."""
        found = self.one("Microsoft.Web/sites/config")
        return {name: str(value) for name, value in found.properties.items()}

    @property
    def app(self) -> Resource:
        """The function app."""
        return self.one("Microsoft.Web/sites")

    def of(self, kind: str) -> list[Resource]:
        """The new resources of a type."""
        return self.deployed.of(kind)

    def one(self, kind: str) -> Resource:
        """The only new resource of a type."""
        return self.deployed.one(kind)

    def account(self, endpoint: str) -> Resource:
        """The storage account that an endpoint is of."""
        for item in self.of(STORAGE):
            if endpoint.startswith(f"{item.id}.properties.primaryEndpoints."):
                return item
        raise TemplateError(f"{endpoint} is of no storage account here")

    def within(self, owner: Resource, kind: str) -> set[str]:
        """The names of an account's queues, tables or containers."""
        return {item.name for item in self.of(kind) if item.id.startswith(f"{owner.id}/")}

    def grants(self) -> set[tuple[str, str, str]]:
        """Who has which role, by its id, on what."""
        return {
            (
                _who(str(item.properties["principalId"])),
                str(item.properties["roleDefinitionId"]).rpartition("/")[2],
                place(item.scope) if item.scope else "everything",
            )
            for item in self.of(ROLE_ASSIGNMENT)
        }


def _who(principal: str) -> str:
    if principal.endswith(f"/iot-{SUFFIX}.identity.principalId"):
        return "hub's system identity"
    if principal == OPERATOR:
        return "operator"
    found = re.search(rf"/id-(\w+)-{SUFFIX}\.properties\.principalId$", principal)
    return found[1] if found else principal


def place(resource: Resource) -> str:
    """A resource by its name, with what it is in."""
    owner = resource
    while owner.parent is not None:
        owner = owner.parent
    names = [owner.name.removesuffix(SUFFIX)]
    return "/".join(names + ([resource.name] if owner is not resource else []))
