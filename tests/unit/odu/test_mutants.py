"""Which rules are tried by small changes."""

from collections import Counter
from pathlib import Path

from local.tools.mutants.areas import AREAS
from local.tools.mutants.results import equivalents

REPOSITORY = Path(__file__).parents[3]


def test_every_module_of_rules_belongs_to_one_area() -> None:
    modules = Counter(module for area in AREAS for module in area.modules)
    rules = {
        str(path.relative_to(REPOSITORY))
        for folder in ("shared/domain", "shared/contract")
        for path in (REPOSITORY / folder).rglob("*.py")
        if path.name != "__init__.py"
    }

    assert rules <= modules.keys()
    assert set(modules.values()) == {1}


def test_modules_and_tests_of_areas_exist() -> None:
    named = {path for area in AREAS for path in (*area.modules, *area.tests)}

    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_what_is_called_equivalent_has_a_reason() -> None:
    assert [item.function for item in equivalents() if not item.reason] == []
