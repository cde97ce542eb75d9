"""The templates as they are deployed: both stages, for one file of parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.syntax import INFRA
from tests.infra.template import deploy
from tests.infra.values import Deployment, Resource, TemplateError

OPERATOR = "11111111-1111-1111-1111-111111111111"
EVENTS = "modules/events.bicep"
_HOOK = re.compile(r'(\w+)="\$(\w+)"')
_SUFFIX = "abcdefghijklm"

ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
STORAGE = "Microsoft.Storage/storageAccounts"


@dataclass(frozen=True, slots=True)
class Site:
    """Both stages of a deployment."""

    main: Deployment
    events: Deployment

    @property
    def resources(self) -> list[Resource]:
        """What both stages deploy."""
        return self.main.resources + self.events.resources

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the app."""
        [found] = (item for item in self.main.of("Microsoft.Web/sites/config"))
        return {name: str(value) for name, value in found.properties.items()}

    @property
    def app(self) -> Resource:
        """The function app."""
        return self.main.one("Microsoft.Web/sites")

    def account(self, endpoint: str) -> Resource:
        """The storage account that an endpoint is of."""
        for item in self.main.of(STORAGE):
            if endpoint.startswith(f"{item.id}.properties.primaryEndpoints."):
                return item
        raise TemplateError(f"{endpoint} is of no storage account here")

    def within(self, owner: Resource, kind: str) -> set[str]:
        """The names of an account's queues, tables or containers."""
        return {item.name for item in self.main.of(kind) if item.id.startswith(f"{owner.id}/")}

    def grants(self) -> set[tuple[str, str, str]]:
        """Who has which role, by its id, on what."""
        return {
            (
                _who(str(item.properties["principalId"])),
                str(item.properties["roleDefinitionId"]).rpartition("/")[2],
                place(item.scope) if item.scope else "everything",
            )
            for item in self.resources
            if item.type == ROLE_ASSIGNMENT
        }


def _who(principal: str) -> str:
    if principal == OPERATOR:
        return "operator"
    found = re.search(rf"/id-(\w+)-{_SUFFIX}\.properties\.principalId$", principal)
    return found[1] if found else principal


def place(resource: Resource) -> str:
    """A resource by its name, with what it is in."""
    owner = resource
    while owner.parent is not None:
        owner = owner.parent
    names = [owner.name.removesuffix(_SUFFIX)]
    return "/".join(names + ([resource.name] if owner is not resource else []))


def parameters(profile: str) -> dict[str, Any]:
    """What a file of parameters gives."""
    content = json.loads((INFRA / "parameters" / f"{profile}.json").read_text())
    return {name: item["value"] for name, item in content["parameters"].items()}


def hook_parameters() -> dict[str, str]:
    """Which output of the first stage becomes which parameter of the second."""
    return dict(_HOOK.findall((INFRA / "hooks" / "events.sh").read_text()))


def site(given: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> Site:
    """Evaluate both stages."""
    main = deploy("main.bicep", given, sources)
    handed = {}
    for parameter, output in hook_parameters().items():
        if output not in main.outputs:
            raise TemplateError(f"the hook wants the output {output}")
        handed[parameter] = main.outputs[output]
    return Site(main, deploy(EVENTS, handed, sources))
