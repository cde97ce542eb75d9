"""The JSON objects of who may do what, and of how the service itself is doing. All additional."""

from __future__ import annotations

from shared.http.model import Model


class MyInstance(Model):
    """An instance, and the data actions that the caller's roles give there."""

    id: str
    actions: list[str]


class Me(Model):
    """The caller, as the token says. Instances without any action are left out."""

    object_id: str
    roles: list[str]
    instances: list[MyInstance]
    name: str | None = None
