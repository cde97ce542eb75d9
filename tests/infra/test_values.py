"""The values of the templates are right, in each language by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.infra.agreement import disagreements
from tests.infra.bicep.deployment import bicep_site
from tests.infra.facts import facts
from tests.infra.files import Files
from tests.infra.profiles import PROFILES, given_to_bicep, given_to_terraform
from tests.infra.rules import hooks_broken
from tests.infra.site import Site
from tests.infra.terraform.deployment import terraform_site
from tests.infra.value_mistakes import HOOK_MISTAKES, VALUE_MISTAKES, Change, ValueMistake

_Deploy = Callable[[str, Mapping[str, str]], Site]


def _bicep(profile: str, replaced: Mapping[str, str]) -> Site:
    return bicep_site(given_to_bicep(profile, is_full=True), replaced)


def _terraform(profile: str, replaced: Mapping[str, str]) -> Site:
    return terraform_site(given_to_terraform(profile, is_full=True), replaced)


def _changed(change: Change) -> dict[str, str]:
    source = Files().read(change.file)
    assert change.right in source
    return {change.file: source.replace(change.right, change.wrong)}


@pytest.mark.parametrize("mistake", VALUE_MISTAKES, ids=lambda item: item.name)
def test_wrong_value_is_found_in_bicep_alone(mistake: ValueMistake) -> None:
    found = disagreements(_bicep("prod", _changed(mistake.bicep)))

    assert any(mistake.complaint in text for text in found), found


@pytest.mark.parametrize("mistake", VALUE_MISTAKES, ids=lambda item: item.name)
def test_wrong_value_is_found_in_terraform_alone(mistake: ValueMistake) -> None:
    found = disagreements(_terraform("prod", _changed(mistake.terraform)))

    assert any(mistake.complaint in text for text in found), found


@pytest.mark.parametrize("deploy", [_bicep, _terraform])
def test_every_fact_is_about_something_that_is_deployed(deploy: _Deploy) -> None:
    sites = [deploy(profile, {}) for profile in PROFILES]

    idle = [
        fact
        for fact in facts()
        if not any(fact.is_about(site, item) for site in sites for item in site.of(fact.type))
    ]

    assert idle == []


def test_azd_runs_hooks_that_make_a_key_of_the_right_length() -> None:
    assert list(hooks_broken(Files())) == []


@pytest.mark.parametrize(("change", "complaint"), HOOK_MISTAKES, ids=lambda item: str(item)[:60])
def test_wrong_hook_is_found(change: Change, complaint: str) -> None:
    assert complaint in list(hooks_broken(Files(_changed(change))))
