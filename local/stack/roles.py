"""The application roles of the REST API, as users write them and as tokens carry them."""

from __future__ import annotations

PREFIX = "DeviceUpdate"
ROLES = (
    "DeviceUpdateAdministrator",
    "DeviceUpdateReader",
    "DeviceUpdateContentAdministrator",
    "DeviceUpdateContentReader",
    "DeviceUpdateDeploymentsAdministrator",
    "DeviceUpdateDeploymentsReader",
    "DeviceUpdateApprover",
)


def role_claim(text: str, instance: str | None = None) -> str:
    """Return the role as a token carries it; for one instance only if that is named.

    The prefix may be left out; case and blanks do not matter.

    Raises:
        ValueError: there is no such role.
    """
    wanted = "".join(text.split()).lower()
    for role in ROLES:
        if wanted in (role.lower(), role.removeprefix(PREFIX).lower()):
            return f"{role}/{instance}" if instance else role
    raise ValueError(f"there is no role {text!r}; the roles are {', '.join(ROLES)}")
