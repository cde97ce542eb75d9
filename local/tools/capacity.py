"""What a deployment costs and how fast it updates a fleet: `python -m local.tools.capacity`.

Prices are list prices of a US region in USD, of 2023 to 2025, to the order of magnitude only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SECONDS_A_MONTH = 365 * 24 * 3600 / 12
_DAYS_A_MONTH = 365 / 12

# https://learn.microsoft.com/azure/iot-hub/iot-hub-devguide-quotas-throttling and the price list
_QUOTA = {"S1": 400_000, "S2": 6_000_000, "S3": 300_000_000}
_UNIT_A_MONTH = {"S1": 25, "S2": 250, "S3": 2500}
_EVENT_HUBS_A_MONTH = 22
# Functions (Flex Consumption), Event Grid, Table Storage: their pages of prices
GIGABYTE_SECOND = 0.000026
EXECUTION_PRICE = 0.40e-6
EVENT_PRICE = 0.60e-6
TABLE_CALL_PRICE = 0.036e-6

ROLLOUT_REQUESTS, ROLLOUT_EXECUTIONS = 26.3, 7.6
"""Storage requests and executions of a device in a roll-out, as `./odu bench cost` counts them."""
REQUESTS_A_DAY = 95_040
"""Storage requests of the timers, whatever the fleet, from the same count."""

_IDLE_MESSAGES_A_DAY = 3
"""A twin read after a reconnect, a report, its notification."""
UPDATES_A_ROLLOUT = 7
"""Twin updates of one device: one command and six reports; they share the hub's rate."""
_MESSAGES_A_ROLLOUT = 8
"""What is metered for them: a signed manifest takes more than one unit of 4 KB."""
_TABLE_CALLS = 3
"""Device row, counter row, transaction."""
_GROUPS = 2
"""Functions that a change wakes: the relay and the handler, each in instances of its own."""


@dataclass(frozen=True, slots=True)
class Hub:
    """An IoT hub: its tier and units."""

    tier: str
    units: int

    @property
    def twin_updates_a_second(self) -> int:
        """Its throttle, whoever updates."""
        return {"S1": 50, "S2": max(50, 5 * self.units), "S3": 250 * self.units}[self.tier]

    @property
    def messages_a_day(self) -> int:
        """Its quota."""
        return _QUOTA[self.tier] * self.units

    @property
    def dollars_a_month(self) -> int:
        """Its price."""
        return _UNIT_A_MONTH[self.tier] * self.units


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet on a hub, with instances of the app of so much memory."""

    devices: int
    hub: Hub
    gigabytes: float = 2.0

    @property
    def rollout_hours(self) -> float:
        """Until every device has reported an update of all of them, whichever limit binds."""
        by_rate = self.devices * UPDATES_A_ROLLOUT / self.hub.twin_updates_a_second / 3600
        days = self.devices * _MESSAGES_A_ROLLOUT / self.hub.messages_a_day
        return max(by_rate, days * 24 if days > 1 else 0)

    @property
    def rollout_dollars(self) -> float:
        """One update of all, without downloads and logs, with the counts of `./odu bench cost`."""
        seconds = _GROUPS * self.rollout_hours * 3600
        return dollars(
            requests=self.devices * ROLLOUT_REQUESTS,
            executions=self.devices * ROLLOUT_EXECUTIONS,
            gigabyte_seconds=seconds * self.gigabytes,
        )

    @property
    def idle_dollars_a_month(self) -> float:
        """Everything but the hub, with one change a device and day, relayed one by one.

        An active second is billed whole, so what counts is the share of seconds with a change.
        """
        a_second = self.devices / 86_400
        active = _GROUPS * (1 - math.exp(-a_second)) * _SECONDS_A_MONTH
        changes = self.devices * _DAYS_A_MONTH
        return _EVENT_HUBS_A_MONTH + dollars(
            requests=changes * _TABLE_CALLS + REQUESTS_A_DAY * _DAYS_A_MONTH,
            executions=changes * _GROUPS,
            gigabyte_seconds=active * self.gigabytes,
        )


def dollars(*, requests: float, executions: float, gigabyte_seconds: float) -> float:
    """What so much costs by list prices; an event is published and delivered for every other
    execution.
    """
    return (
        requests * TABLE_CALL_PRICE
        + executions * (EXECUTION_PRICE + EVENT_PRICE)
        + gigabyte_seconds * GIGABYTE_SECOND
    )


def smallest_hub(devices: int) -> Hub:
    """The cheapest hub that carries a fleet at rest."""
    return min(
        (
            Hub(tier, math.ceil(devices * _IDLE_MESSAGES_A_DAY / quota))
            for tier, quota in _QUOTA.items()
        ),
        key=lambda hub: hub.dollars_a_month,
    )


def table() -> str:
    """Fleets of three sizes on their smallest hub and on faster ones, as Markdown."""
    plans = [
        Plan(devices, hub)
        for devices in (10_000, 100_000, 1_000_000)
        for hub in dict.fromkeys((smallest_hub(devices), Hub("S3", 1), Hub("S3", 10)))
    ]
    lines = [
        "| devices | hub | hub, $ a month | all else at rest, $ a month | update of all |"
        " its cost, $ |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {plan.devices:,} | {plan.hub.units} x {plan.hub.tier} | {plan.hub.dollars_a_month:,} |"
        f" {plan.idle_dollars_a_month:,.0f} | {_spoken(plan.rollout_hours)} |"
        f" {plan.rollout_dollars:,.1f} |"
        for plan in plans
    ]
    return "\n".join(lines)


def _spoken(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min" if hours * 60 >= 2 else f"{hours * 3600:.0f} s"
    return f"{hours:.1f} h" if hours <= 48 else f"{hours / 24:.1f} days"


if __name__ == "__main__":
    print(table())
