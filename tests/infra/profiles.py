"""The deployments that are looked at: each file of values, with and without what is optional."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.infra.bicep.deployment import parameters
from tests.infra.site import OPERATOR
from tests.infra.terraform.deployment import values

PROFILES = ("dev", "prod")
_FULL = {
    "operatorPrincipalId": OPERATOR,
    "alertMail": "ops@example.com",
    "applicationClientId": "register",
}
_LITTLE = {
    "operatorPrincipalId": "nobody",
    "applicationClientId": "33333333-3333-3333-3333-333333333333",
}
"""What is asked of everybody who deploys: no file of values has it."""


def given_to_bicep(profile: str, *, is_full: bool) -> dict[str, Any]:
    """Parameters, with an operator, somebody to mail and the application if `is_full`."""
    return parameters(profile) | (_FULL if is_full else _LITTLE)


def given_to_terraform(profile: str, *, is_full: bool) -> dict[str, Any]:
    """The same for Terraform, which asks for the subscription too."""
    full = snake(_FULL if is_full else _LITTLE)
    return values(profile) | full | {"subscription_id": "22222222-2222-2222-2222-222222222222"}


def snake(given: Mapping[str, Any]) -> dict[str, Any]:
    """The names of Terraform's variables for those of Bicep's parameters."""
    return {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value
        for key, value in given.items()
    }
