"""What the reads of operators cost: requests to storage; they do not grow with the fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_changes import TableChanges
from shared.adapters.table_counters import TableRecounts
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_new_classes import TableNewClasses
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_trends import TableTrends
from shared.adapters.table_updates import TableUpdates
from shared.domain.fleet.counters import TOTAL, failing_cell, installed_cell
from shared.domain.fleet.device_class import make_device_class
from shared.ports import Rollup
from shared.services.reporting.attention import Attention
from shared.services.reporting.deployment_overview import DeploymentOverviews, DeploymentQuery
from shared.services.reporting.installed import InstalledUpdates
from shared.services.reporting.report import Reports
from shared.services.reporting.trends import TrendRecords
from shared.settings import Connection
from tests.builders.deployments import an_update
from tests.fakes.clock import FixedClock
from tests.unit.domain.builders import V1, V2, a_deployment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
GROUPS = 20
FEW, MANY = 1_000, 200_000


@dataclass
class Counted:
    """The services of reads over real tables, and the requests that they send."""

    accounts: StorageAccounts
    clock: FixedClock = field(default_factory=FixedClock)
    requests: list[Any] = field(default_factory=list)

    def table(self, name: Any) -> Table:
        return Table(self.accounts, name)

    def __post_init__(self) -> None:
        self.fleet = TableFleet(
            buckets_table=self.table("Buckets"),
            groups_table=self.table("Groups"),
            classes_table=self.table("DeviceClasses"),
            rollups_table=self.table("Rollups"),
            clock=self.clock,
        )
        self.deployments = TableDeployments(self.table("Deployments"))
        self.updates = TableUpdates(self.table("Updates"))
        self.operations = TableOperations(self.table("Operations"))

    async def fill(self, instance: str, devices: int) -> None:
        """Roll-ups of a fleet: what its buckets would have been summed up to."""
        await self.updates.add(instance, an_update(V2))
        for number in range(GROUPS):
            group, share = f"group-{number}", devices // GROUPS
            await self.fleet.ensure_known(instance, group, 0, KIOSK)
            cells = {
                TOTAL: share,
                failing_cell("30101001"): share // 10,
                installed_cell(str(V1), is_in_progress=False): share,
            }
            rollup = Rollup({(group, KIOSK.class_id): cells}, self.clock.now())
            await self.fleet.save_rollup(instance, group, rollup)
            await self.deployments.add(instance, a_deployment(f"w{number}", group_id=group))

    async def cost(self, read: Any) -> int:
        """How many requests a read sends."""
        self.requests.clear()
        await read
        return len(self.requests)

    def reads(self, instance: str) -> dict[str, Any]:
        """Every read, with the most requests that it may send."""
        reports = Reports(fleet=self.fleet, deployments=self.deployments, clock=self.clock)
        overviews = DeploymentOverviews(
            fleet=self.fleet, deployments=self.deployments, reports=reports, clock=self.clock
        )
        installed = InstalledUpdates(
            fleet=self.fleet, updates=self.updates, deployments=self.deployments
        )
        attention = Attention(
            fleet=self.fleet,
            updates=self.updates,
            operations=self.operations,
            recounts=TableRecounts(self.table("Recounts")),
            clock=self.clock,
            new_classes=TableNewClasses(self.table("DeviceClasses"), self.clock),
            most_new_classes=30,
        )
        trends = TrendRecords(
            trends=TableTrends(self.table("Trends")),
            fleet=self.fleet,
            deployments=self.deployments,
            operations=self.operations,
            clock=self.clock,
        )
        feed = TableChanges(
            rollups=self.table("Rollups"),
            deployments=self.table("Deployments"),
            updates=self.table("Updates"),
            operations=self.table("Operations"),
        )
        query = DeploymentQuery(state="Active")
        return {
            "deployments": (
                3,
                lambda: overviews.page(instance, query, is_newest_first=True, token=None, size=100),
            ),
            "attention": (5, lambda: attention.items(instance)),
            "installed updates": (2, lambda: installed.counts(instance)),
            "installed updates of a group": (2, lambda: installed.counts(instance, "group-3")),
            "usage": (4, lambda: installed.usage(instance, V2)),
            "history": (2, lambda: trends.days(instance, None, None, None)),
            "history of a group": (3, lambda: trends.days(instance, "group-3", None, None)),
            "progress": (
                2,
                lambda: trends.progress(
                    instance, "w1", first="2024-05-01T00:00:00+00:00", last=None, most=100
                ),
            ),
            "changes": (4, lambda: feed.since(instance, "2024-05-01T12:00:00+00:00")),
        }


@pytest.fixture
async def counted(accounts: StorageAccounts) -> AsyncIterator[Counted]:
    requests: list[Any] = []
    connection = Connection(connection_string=accounts._state.connection_string)
    watched = StorageAccounts(connection, connection, lambda: None, requests.append)
    made = Counted(watched, requests=requests)
    yield made
    await watched.close()


async def test_reads_cost_a_few_requests_whatever_the_fleet(
    counted: Counted, instance: str
) -> None:
    costs = {}
    for devices in (FEW, MANY):
        place = f"{instance}-{devices}"
        await counted.fill(place, devices)
        costs[devices] = {
            name: await counted.cost(read()) for name, (_, read) in counted.reads(place).items()
        }

    limits = {name: most for name, (most, _) in counted.reads(instance).items()}
    assert costs[FEW] == costs[MANY]
    over = {name: cost for name, cost in costs[MANY].items() if cost > limits[name]}
    assert over == {}
