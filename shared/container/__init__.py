"""The composition root: builds the services over ports, and chooses the adapters for them.

`Services` has one member a subject, each built when first asked for and by keyword; tests build the
same over ports in memory. Only `adapters` imports vendor SDKs' adapters. Nothing is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.container.services import Services

__all__ = ["container"]

_services: list[Services] = []


def container() -> Services:
    """The services of this process, made from the app settings at the first call."""
    if not _services:
        from shared.container.adapters import Adapters
        from shared.container.services import Services
        from shared.settings import read_settings

        settings = read_settings()
        _services.append(Services(Adapters(settings), settings))
    return _services[0]
