"""Every Terraform file is well formed, and says only what its providers understand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.bicep.deployment import MAIN, bicep_site, parameters
from tests.infra.bicep.syntax import declarations, decorators, parse
from tests.infra.bicep.syntax import text as bicep_text
from tests.infra.files import INFRA, Files
from tests.infra.profiles import PROFILES, given_to_bicep, given_to_terraform, snake
from tests.infra.resource_types import wrong
from tests.infra.site import Site
from tests.infra.subscriptions import SUBSCRIPTION_TYPES
from tests.infra.terraform.deployment import FILES, terraform_site, values
from tests.infra.terraform.syntax import Block, blocks, text
from tests.infra.terraform.tool import terraform
from tests.infra.terraform.types import kinds
from tests.infra.values import TemplateError

_SYNTAX_ERROR = 2
_NOT_FORMATTED = 3
_OWN_VARIABLES = {"subscription_id", "code_deployed"}
"""What Bicep is told by its own tools, and in a second stage."""


def _site(profile: str, file: str = "", source: str = "") -> Site:
    replaced = {file: source} if file else {}
    return terraform_site(given_to_terraform(profile, is_full=True), replaced)


def _declared(kind: str) -> dict[str, Block]:
    return {
        block.labels[0]: block
        for file in FILES
        for block in blocks(file, Files().read(file))
        if block.kind == kind
    }


def test_files_are_parsed_and_formatted_as_terraform_does() -> None:
    code, said = _format_check(INFRA / "terraform")

    assert code == 0, said


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("locals {\n  a =\n}\n", _SYNTAX_ERROR),
        ("locals {\n  a=1\n}\n", _NOT_FORMATTED),
        ("locals {\n  a = 1\n}\n", 0),
    ],
)
def test_terraform_finds_a_file_that_is_not_as_it_should_be(
    tmp_path: Path, source: str, code: int
) -> None:
    (tmp_path / "main.tf").write_text(source)

    assert _format_check(tmp_path)[0] == code


def test_variables_are_valid_for_terraform(tmp_path: Path) -> None:
    """What can be validated without the providers, which are not to be had offline."""
    (tmp_path / "variables.tf").write_text(Files().read("terraform/variables.tf"))
    chdir = f"-chdir={tmp_path}"

    assert terraform(chdir, "init", "-backend=false", "-no-color")[0] == 0
    code, said = terraform(chdir, "validate", "-no-color")

    assert code == 0, said


def _format_check(folder: Path) -> tuple[int, str]:
    return terraform("fmt", "-check", "-diff", "-recursive", "-no-color", str(folder))


@pytest.mark.parametrize("kind", ["variable", "output"])
def test_variables_and_outputs_are_described(kind: str) -> None:
    found = _declared(kind)

    assert found
    assert [name for name, block in found.items() if "description" not in block.attributes] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_resources_say_what_their_types_understand(profile: str) -> None:
    assert [line for item in _site(profile).resources for line in wrong(item)] == []


@pytest.mark.parametrize(
    ("file", "right", "changed", "complaint"),
    [
        ("state.tf", "shared_access_key_enabled", "shared_access_keys", "has no argument shared"),
        ("hub.tf", "fallback_route {", "fallback {", "has no argument fallback"),
        ("hub.tf", "sku {", "sku {\n    name = 1\n  }\n  sku {", "given twice"),
        ("eventgrid.tf", "response_export_values", "export_values", "has no argument export"),
        ("app.tf", "azurerm_service_plan.plan.id", "azurerm_service_plan.x.id", "not declared"),
        ("app.tf", "var.python_version", "var.python", "var.python is not declared"),
        ("app.tf", "vault.vault_uri", "vault.uri", "has no attribute uri"),
        ("hub.tf", "assignment.hub_sends]", "assignment.x]", "depends_on"),
        ("hub.tf", 'azurerm_role_assignment" "', 'azurerm_role" "', "is not in the table"),
        ("more.tf", "", "locals {\n  x = nothing()\n}\n", "not known to this reader"),
    ],
)
def test_module_is_refused_when_a_name_is_wrong(
    file: str, right: str, changed: str, complaint: str
) -> None:
    path = f"terraform/{file}"
    source = Files().read(path) if right else ""
    assert right in source

    with pytest.raises(TemplateError, match=complaint):
        _site("prod", path, source.replace(right, changed) if right else changed)


@pytest.mark.parametrize(
    ("file", "right", "changed", "complaint"),
    [
        ("app.tf", "instanceMemoryMB", "instanceMemory", "unknown"),
        ("eventgrid.tf", "topics@2025-02-15", "topics@2022-06-15", "has version"),
    ],
)
def test_resource_is_refused_when_it_says_something_else(
    file: str, right: str, changed: str, complaint: str
) -> None:
    path = f"terraform/{file}"
    source = Files().read(path)
    assert right in source

    found = _site("prod", path, source.replace(right, changed)).resources

    assert any(complaint in line for item in found for line in wrong(item))


def test_every_type_of_the_table_is_used_and_has_a_source() -> None:
    used = {
        block.labels[0]
        for file in FILES
        for block in blocks(file, Files().read(file))
        if block.kind == "resource"
    }

    assert kinds().keys() == used
    sources = [kind.source for kind in kinds().values()]
    assert all(source.startswith("https://registry.terraform.io/providers/") for source in sources)


def test_every_variable_and_local_is_used() -> None:
    unused = [
        set(terraform_site(given_to_terraform("prod", is_full=is_full)).deployed.unused)
        for is_full in (False, True)
    ]

    assert set.intersection(*unused) == set()


def test_variables_are_those_of_bicep() -> None:
    bicep = declarations(parse(Files().read(MAIN)), "parameter")
    terraform = _declared("variable")
    spoken = {
        name: bicep_text(decorators(node)["description"][0].named_children[0])
        for name, node in bicep.items()
    }

    assert snake(spoken).keys() == terraform.keys() - _OWN_VARIABLES
    for name, said in snake(spoken).items():
        assert _same_words(said, text(terraform[name].attributes["description"])), name


def _same_words(first: str, second: str) -> bool:
    """Whether two descriptions agree, however each language writes names and quotes."""
    return re.sub(r"[^a-z0-9 ]", "", first.lower()) == re.sub(r"[^a-z0-9 ]", "", second.lower())


@pytest.mark.parametrize("profile", PROFILES)
def test_values_are_those_of_bicep(profile: str) -> None:
    assert values(profile) == snake(parameters(profile))


def test_value_is_refused_when_the_rules_of_its_variable_forbid_it() -> None:
    with pytest.raises(TemplateError, match="hub_sku must not be 'B1'"):
        terraform_site(given_to_terraform("dev", is_full=True) | {"hub_sku": "B1"})


def test_outputs_are_those_of_bicep_under_the_same_names() -> None:
    terraform = _site("prod").deployed.outputs
    bicep = bicep_site(given_to_bicep("prod", is_full=True)).deployed.outputs

    assert terraform
    assert {name.upper(): value for name, value in terraform.items()}.items() <= bicep.items()


def test_functions_are_subscribed_only_once_the_code_is_deployed() -> None:
    before = terraform_site(given_to_terraform("prod", is_full=True), has_code=False)
    after = _site("prod")

    added = {item.type for item in after.resources} - {item.type for item in before.resources}
    assert added == set(SUBSCRIPTION_TYPES)
    assert len(before.settings) == len(after.settings)
