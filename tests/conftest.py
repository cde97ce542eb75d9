"""The local stack that tests of the whole product share; it starts with the first that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis
import pytest

from local.rest import Rest
from local.stack.running import Stack, start
from tests.leash import pytest_configure, pytest_unconfigure
from tests.product import Product
from tests.sources import Sources

__all__ = ["pytest_configure", "pytest_unconfigure"]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


# a busy machine may take its time for an example
hypothesis.settings.register_profile("any machine", deadline=None)
# of mutants: the same examples for each, in a run that is repeated too
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=25,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # none is made smaller
)
hypothesis.settings.load_profile("any machine")

SECOND = "second"
"""An instance of the shared stack besides the first one, with a hub of its own."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with start(tmp_path_factory.mktemp("shared-stack"), options=["--instance", SECOND]) as running:
        yield running


@pytest.fixture(scope="session")
async def rest(stack: Stack) -> AsyncIterator[Rest]:
    async with Rest(stack) as client:
        yield client


@pytest.fixture(scope="session")
async def sources() -> AsyncIterator[Sources]:
    async with Sources() as server:
        yield server


@pytest.fixture
def product(
    request: pytest.FixtureRequest, stack: Stack, rest: Rest, sources: Sources, tmp_path: Path
) -> Product:
    """The running product as one test uses it; a parameter says which agent its devices run."""
    agent = getattr(request, "param", "odu")
    return Product(stack, rest, sources, tmp_path, agent=agent)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest begins first: nobody waits for it at the end."""

    def most_seconds(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker else 0.0

    items.sort(key=most_seconds, reverse=True)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by bytes: archives hold the time, and every worker must find the same names."""
    return argname if isinstance(val, bytes) else None
