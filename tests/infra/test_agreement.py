"""Both languages deploy what the program needs, nothing else, and the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.infra import program
from tests.infra.agreement import disagreements
from tests.infra.bicep.deployment import bicep_site, parameters
from tests.infra.files import Files
from tests.infra.mistakes import MISTAKES, Mistake
from tests.infra.profiles import PROFILES, given_to_bicep, given_to_terraform
from tests.infra.same import differences
from tests.infra.terraform.deployment import terraform_site
from tests.infra.values import TemplateError


def _problems(
    profile: str, *, is_full: bool, replaced: Mapping[str, str] | None = None
) -> list[str]:
    """Whatever is wrong with a deployment, with or without what may be left out."""
    bicep = bicep_site(given_to_bicep(profile, is_full=is_full), replaced)
    found = [f"Bicep: {text}" for text in disagreements(bicep)]
    try:
        terraform = terraform_site(given_to_terraform(profile, is_full=is_full), replaced)
    except TemplateError as error:
        return [*found, f"Terraform: {error}"]
    found += [f"Terraform: {text}" for text in disagreements(terraform)]
    return [*found, *differences(bicep, terraform)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("is_full", [False, True])
def test_templates_agree_with_the_program_and_each_other(profile: str, is_full: bool) -> None:
    assert _problems(profile, is_full=is_full) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda item: item.name)
def test_agreement_is_refused_when_a_template_has_a_mistake(mistake: Mistake) -> None:
    source = Files().read(mistake.file)
    changed = source.replace(mistake.right, mistake.wrong, 1)
    assert changed != source

    found = _problems("prod", is_full=True, replaced={mistake.file: changed})

    assert any(mistake.complaint in text for text in found), found


def test_optional_settings_are_known_to_the_program() -> None:
    for profile in PROFILES:
        given = parameters(profile).get("optionalSettings", {})
        asked, _ = program.read(given)
        assert given.keys() <= asked - program.LOCAL_ONLY
