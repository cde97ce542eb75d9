"""Every Bicep file is well formed, and says only what its resources understand."""

from __future__ import annotations

import json
import re

import pytest

from tests.infra.bicep.deployment import EVENTS, MAIN, bicep_site, hook_parameters
from tests.infra.bicep.syntax import FILES, declarations, decorators, errors, parse
from tests.infra.bicep.template import deploy
from tests.infra.files import Files
from tests.infra.profiles import PROFILES, given_to_bicep
from tests.infra.program import REPOSITORY
from tests.infra.resource_types import table, wrong
from tests.infra.site import Site
from tests.infra.values import TemplateError


def _site(profile: str, file: str = "", source: str = "") -> Site:
    replaced = {file: source} if file else {}
    return bicep_site(given_to_bicep(profile, is_full=True), replaced)


@pytest.mark.parametrize("file", FILES)
def test_file_is_parsed_without_an_error(file: str) -> None:
    assert list(errors(parse(Files().read(file)))) == []


@pytest.mark.parametrize("broken", ["param x string = ", "resource a 'b/c@1' = {\n  name 'x'\n}"])
def test_parser_finds_an_error_when_a_file_is_broken(broken: str) -> None:
    assert list(errors(parse(broken)))


@pytest.mark.parametrize("file", FILES)
def test_parameters_are_described(file: str) -> None:
    found = declarations(parse(Files().read(file)), "parameter")

    assert [name for name, node in found.items() if "description" not in decorators(node)] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_resources_say_what_their_types_understand(profile: str) -> None:
    assert [text for item in _site(profile).resources for text in wrong(item)] == []


@pytest.mark.parametrize(
    ("file", "right", "changed", "complaint"),
    [
        ("modules/storage.bicep", "allowSharedKeyAccess", "allowSharedKeyAcess", "unknown"),
        ("modules/hub.bicep", "source: ", "sauce: ", "routes.source is missing"),
        ("modules/hub.bicep", "IotHubs@2023-06-30", "IotHubs@2021-07-02", "has version"),
        ("modules/app.bicep", "instanceMemoryMB", "instanceMemory", "unknown"),
    ],
)
def test_resource_is_refused_when_it_says_something_else(
    file: str, right: str, changed: str, complaint: str
) -> None:
    source = Files().read(file)
    assert right in source

    try:
        found = _site("prod", file, source.replace(right, changed))
        complaints = [text for item in found.resources for text in wrong(item)]
    except KeyError as error:
        pytest.fail(f"the reader stumbles over {error}")

    assert any(complaint in text for text in complaints)


@pytest.mark.parametrize(
    ("file", "right", "changed", "complaint"),
    [
        ("main.bicep", "identity.outputs.appId", "identity.outputs.app", "there is no app"),
        (
            "main.bicep",
            "  params: { suffix: suffix, location",
            "  params: { sufix: suffix, location",
            "no parameter",
        ),
        ("modules/hub.bicep", "capacity: units", "capacity: unit", "unit is not declared"),
        ("modules/hub.bicep", "output id string = hub.id", "", "there is no id"),
    ],
)
def test_template_is_refused_when_a_name_is_wrong(
    file: str, right: str, changed: str, complaint: str
) -> None:
    source = Files().read(file)
    assert right in source

    with pytest.raises(TemplateError, match=complaint):
        _site("prod", file, source.replace(right, changed))


def test_every_type_of_the_table_is_deployed() -> None:
    deployed = {item.type for profile in PROFILES for item in _site(profile).resources}

    assert table().keys() == deployed


def test_every_parameter_and_variable_is_used() -> None:
    unused = [
        set(bicep_site(given_to_bicep("prod", is_full=is_full)).deployed.unused)
        for is_full in (False, True)
    ]

    assert set.intersection(*unused) == set()


def test_hooks_give_the_second_stage_its_parameters() -> None:
    wanted = declarations(parse(Files().read(EVENTS)), "parameter")
    windows = Files().read("hooks/events.ps1")

    assert hook_parameters().keys() == wanted.keys()
    assert dict(re.findall(r"(\w+)=\$env:(\w+)", windows)) == hook_parameters()


def test_parameters_of_azd_are_those_of_the_template() -> None:
    content = json.loads(Files().read("main.parameters.json"))
    given = content["parameters"].keys()
    known = declarations(parse(Files().read(MAIN)), "parameter")

    assert list(given) == list(known)
    with pytest.raises(TemplateError, match="not given"):
        deploy(MAIN, {})


def test_azd_finds_the_app_and_the_hooks() -> None:
    text = (REPOSITORY / "azure.yaml").read_text(encoding="utf-8")
    [service] = re.findall(r"^services:\n  (\w+):", text, re.MULTILINE)

    assert _site("prod").app.body["tags"]["azd-service-name"] == service
    for hook in re.findall(r"run: \./(\S+?) ", text):
        assert (REPOSITORY / hook).is_file()
