"""One hub: its state, its rules and its connections, put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.cloud.iothub.auth import OWNER, SERVICE, Authority, Policy
from local.cloud.iothub.events import Outlet
from local.cloud.iothub.faults import Faults
from local.cloud.iothub.limits import Sku
from local.cloud.iothub.methods import Methods
from local.cloud.iothub.registry import Registry
from local.cloud.iothub.session import Sessions
from local.cloud.iothub.store import Store
from local.cloud.iothub.throttle import Throttle
from local.cloud.iothub.twins import Twins

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How a hub is set up. Keys are base64; times are seconds."""

    state: Path
    name: str
    owner_key: str = field(repr=False)
    service_key: str = field(repr=False)
    sku: Sku = "S1"
    units: int = 1
    partitions: int = 4
    throttle: bool = False
    throttle_burst: float = 60.0
    query_lag: float = 0.0
    configuration_interval: float = 300.0
    route_connection_state: bool = False
    event_grid_endpoint: str = ""
    event_grid_key: str = field(default="", repr=False)
    route: str = field(default="", repr=False)
    """Connection string of an event hub that messages are routed to; empty to keep them here."""


@dataclass(frozen=True, slots=True)
class Hub:
    """What the device and service sides of one hub work on."""

    settings: Settings
    store: Store
    outlet: Outlet
    authority: Authority
    throttle: Throttle
    faults: Faults
    sessions: Sessions
    registry: Registry
    twins: Twins
    methods: Methods


async def open_hub(settings: Settings) -> Hub:
    """Open or create the hub whose state lies in `settings.state`."""
    store = Store(settings.state, settings.query_lag)
    outlet = Outlet(
        settings.name,
        settings.partitions,
        event_grid=bool(settings.event_grid_endpoint),
        connection_state=settings.route_connection_state,
    )
    sessions = Sessions(store, outlet)
    await sessions.recover()
    return Hub(
        settings=settings,
        store=store,
        outlet=outlet,
        authority=Authority(
            ("localhost", "127.0.0.1", settings.name, f"{settings.name}.azure-devices.net"),
            {
                "iothubowner": Policy(settings.owner_key, OWNER),
                "service": Policy(settings.service_key, SERVICE),
            },
        ),
        throttle=Throttle(
            settings.sku,
            settings.units,
            enabled=settings.throttle,
            burst_seconds=settings.throttle_burst,
        ),
        faults=Faults(),
        sessions=sessions,
        registry=Registry(outlet, sessions.disconnect),
        twins=Twins(outlet, sessions.notify),
        methods=Methods(sessions),
    )
