from __future__ import annotations

import pytest

from shared.domain.access import Action, Role, actions_of, authorize
from shared.domain.errors import Forbidden

ALLOWED = {
    "DeviceUpdateAdministrator": {
        "updates/read",
        "updates/write",
        "updates/delete",
        "management/read",
        "management/write",
        "management/delete",
        "management/approve",
        "audit/read",
        "operations/read",
        "operations/write",
    },
    "DeviceUpdateReader": {"updates/read", "management/read", "audit/read"},
    "DeviceUpdateContentAdministrator": {"updates/read", "updates/write", "updates/delete"},
    "DeviceUpdateContentReader": {"updates/read"},
    "DeviceUpdateDeploymentsAdministrator": {
        "updates/read",
        "management/read",
        "management/write",
        "management/delete",
        "management/approve",
    },
    "DeviceUpdateDeploymentsReader": {"updates/read", "management/read"},
    "DeviceUpdateApprover": {"updates/read", "management/read", "management/approve"},
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_action_passes_only_for_the_roles_that_have_it(role: Role, action: Action) -> None:
    is_allowed = action.value in ALLOWED[role.value]

    assert (action in actions_of([role.value], "factory")) is is_allowed
    if is_allowed:
        authorize([role.value], "factory", action)
    else:
        with pytest.raises(Forbidden, match=action.value):
            authorize([role.value], "factory", action)


@pytest.mark.parametrize("action", Action)
def test_refusal_names_every_role_that_would_do(action: Action) -> None:
    with pytest.raises(Forbidden) as refused:
        authorize([], "factory", action)

    named = {role for role in ALLOWED if role in refused.value.message.replace(".", ",").split()}
    named |= {word.strip(",.") for word in refused.value.message.split()} & ALLOWED.keys()
    assert named == {role for role, actions in ALLOWED.items() if action.value in actions}


@pytest.mark.parametrize(
    ("values", "is_allowed"),
    [
        (["DeviceUpdateReader/factory"], True),
        (["DeviceUpdateReader/other"], False),
        (["DeviceUpdateReader/"], False),
        (["DeviceUpdateReader/factory/x"], False),
        (["deviceupdatereader"], False),
        (["Unknown", "DeviceUpdateReader"], True),
        (["READER"], False),
    ],
)
def test_role_counts_on_its_instance_only(values: list[str], is_allowed: bool) -> None:
    assert (Action.UPDATES_READ in actions_of(values, "factory")) is is_allowed


def test_roles_add_up() -> None:
    values = ["DeviceUpdateContentAdministrator", "DeviceUpdateDeploymentsReader/factory"]

    assert {action.value for action in actions_of(values, "factory")} == {
        "updates/read",
        "updates/write",
        "updates/delete",
        "management/read",
    }


def test_a_refused_token_is_told_which_instance_it_is_for() -> None:
    roles = ["DeviceUpdateAdministrator/second", "DeviceUpdateReader/third"]

    with pytest.raises(Forbidden, match=r"The token's roles are for instance second, third\.$"):
        authorize(roles, "first", Action.UPDATES_READ)
    with pytest.raises(Forbidden) as unscoped:
        authorize(["DeviceUpdateReader"], "first", Action.UPDATES_WRITE)
    assert "The token's roles" not in unscoped.value.message


@pytest.mark.parametrize("instance", ["factory", ""])
def test_role_with_an_empty_scope_is_no_role(instance: str) -> None:
    # "" stands for what is about no instance at all
    assert not actions_of(["DeviceUpdateAdministrator/"], instance)
    assert actions_of(["DeviceUpdateAdministrator"], instance) == set(Action)


def test_scoped_role_lets_an_action_pass_on_its_instance_only() -> None:
    authorize(["DeviceUpdateReader/factory"], "factory", Action.UPDATES_READ)
    with pytest.raises(Forbidden, match="on instance 'other'"):
        authorize(["DeviceUpdateReader/factory"], "other", Action.UPDATES_READ)
