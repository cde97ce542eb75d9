from __future__ import annotations

from pathlib import Path

from jsonschema import Draft202012Validator

from local.cli.events import schema_text
from shared.domain.domain_event import EventKind
from shared.domain.events.catalog import DATA
from shared.domain.events.schema import schema

COPY = Path(__file__).parents[3] / "docs" / "events.schema.json"


def test_committed_schema_is_that_of_the_events() -> None:
    wanted = "refresh it: ./odu events --schema > docs/events.schema.json"
    assert COPY.read_text() == schema_text(), wanted


def test_schema_is_valid_and_has_every_kind() -> None:
    Draft202012Validator.check_schema(schema())
    assert set(DATA) == set(EventKind)
