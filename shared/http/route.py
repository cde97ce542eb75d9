"""The declaration of one REST operation: what serves it and what describes it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from shared.domain.access import Action

type Method = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]

PREFIX = "deviceUpdate/{instanceId}"
"""What every path of the API begins with that is about an instance."""
SERVICE_PREFIX = "deviceUpdate"
"""What the paths begin with that are about the whole service."""
API_VERSIONS = ("2022-10-01", "2026-06-01")
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """A value in the query of an address."""

    name: str
    description: str
    is_required: bool = False
    is_integer: bool = False


TOP = QueryParameter("top", "At most so many.", is_integer=True)
TOKEN = QueryParameter("token", "Where a page begins: part of the `nextLink` of the page before.")

LIST_OPTIONS = frozenset({"filter", "orderby", "search", "top"})
"""Options that say which items of a list are wanted, in some lists each."""


def filter_by(*forms: str) -> QueryParameter:
    """The parameter `filter` of a list that takes some forms of it."""
    return QueryParameter("filter", "Which ones to list: " + ", or ".join(f"`{x}`" for x in forms))


def order_by(*fields: str) -> QueryParameter:
    """The parameter `orderby` of a list that can be ordered by some fields."""
    known = ", ".join(f"`{field}`" for field in fields)
    return QueryParameter("orderby", f"One of {known}, followed by `asc`, `desc` or nothing.")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation below `/deviceUpdate/{instanceId}`, or of the whole service.

    `answer` is the type of the body of a success, None if it has none; `body` that of the request.
    `statuses` are the error statuses that it may answer besides those that all may.
    `is_additional` says that the published API lacks it.
    """

    name: str
    method: Method
    path: str
    action: Action | None
    summary: str
    status: HTTPStatus = HTTPStatus.OK
    answer: Any = None
    body: Any = None
    body_type: str = JSON
    is_body_optional: bool = False
    query: tuple[QueryParameter, ...] = ()
    statuses: tuple[HTTPStatus, ...] = ()
    is_paged: bool = False
    is_long_running: bool = False
    is_conditional: bool = False
    is_additional: bool = False
    is_of_instance: bool = True

    @property
    def template(self) -> str:
        """The whole path, as it is registered."""
        return f"{PREFIX if self.is_of_instance else SERVICE_PREFIX}/{self.path}"

    @property
    def changes_state(self) -> bool:
        """Whether a call may change something: its action says so."""
        return self.action is not None and not self.action.is_read
