"""What a parsed query is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from local.cloud.iothub.query_tokens import malformed

if TYPE_CHECKING:
    from local.cloud.iothub.query_values import Expression

type Source = Literal["devices", "devices.modules", "devices.jobs"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a value of each row or, with `aggregate`, of a group of rows."""

    name: str
    value: Expression
    aggregate: str = ""
    path: str = ""
    """The path as written with dots, when the value is one."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `columns` is None for `SELECT *`."""

    source: Source
    columns: tuple[Column, ...] | None
    condition: Expression
    group_by: tuple[tuple[str, Expression], ...]
    top: int | None

    @property
    def is_aggregate(self) -> bool:
        """Whether groups of rows make the result, not single rows."""
        columns = self.columns or ()
        return bool(self.group_by) or any(column.aggregate for column in columns)


def check(query: Query) -> None:
    """Refuse a query whose parts do not fit together.

    Raises:
        HubError: 400.
    """
    if query.top == 0:
        raise malformed("TOP must be at least 1")
    if query.source == "devices.jobs" and query.columns is not None:
        raise malformed("only * can be selected from devices.jobs")
    if not query.is_aggregate:
        return
    if query.columns is None:
        raise malformed("* cannot be selected with GROUP BY")
    grouped = {name for name, _ in query.group_by}
    for column in query.columns:
        if not column.aggregate and column.path not in grouped:
            raise malformed(f"the column {column.name!r} is neither aggregated nor grouped by")
