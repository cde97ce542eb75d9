"""A root key package that devices would refuse is neither served nor signed under nor published."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from odu_cli.keys import KeysError
from odu_cli.keys.roots import Roots
from odu_cli.keys.service import check
from shared.contract.codes import Erc
from shared.contract.rootkeys import (
    compose_root_key_package,
    package_signing_bytes,
    root_key_member,
)
from shared.domain.errors import DependencyFailed
from shared.domain.updates.keyring import Keyring
from tests.builders.key_world import MANIFEST, KeyWorld
from tests.signing import WHEN, a_keyring, after_revocation, after_rotation, roots, verify

type Edit = Callable[[dict[str, Any]], Any]


def package(edit: Edit = lambda _: None, signers: Roots | None = None) -> str:
    """A package of version 7, edited before its roots sign it."""
    keys = roots().keys
    protected: dict[str, Any] = {
        "isTest": False,
        "version": 7,
        "published": int(WHEN),
        "disabledRootKeys": [],
        "disabledSigningKeys": [],
        "rootKeys": {kid: root_key_member(key.public_key()) for kid, key in keys.items()},
    }
    edit(protected)
    signed = package_signing_bytes(protected)
    signing = (signers or roots()).keys
    signatures = [signing[kid].sign(signed, padding.PKCS1v15(), hashes.SHA256()) for kid in keys]
    return compose_root_key_package(protected, signatures).decode()


def with_package(text: str) -> Keyring:
    return replace(a_keyring(), root_key_package=text)


OTHERS = Roots.generate(("ROOT.1", "ROOT.2"))
REFUSED = {
    "not JSON": (lambda: '{"protected":', Erc.PACKAGE_NOT_JSON),
    "a wrong signature": (lambda: package(signers=OTHERS), Erc.PACKAGE_SIGNATURE_WRONG),
    "changed after it was signed": (
        lambda: package().replace('"version":7', '"version":8'),
        Erc.PACKAGE_SIGNATURE_WRONG,
    ),
    "for tests": (lambda: package(lambda p: p.update(isTest=True)), Erc.PACKAGE_IS_TEST),
    "expired": (lambda: package(lambda p: p.update(expires=int(WHEN) + 60)), Erc.PACKAGE_EXPIRED),
    "of the future": (
        lambda: package(lambda p: p.update(published=int(WHEN) + 90 * 86400)),
        Erc.PACKAGE_FROM_THE_FUTURE,
    ),
    "disabling every root": (
        lambda: package(lambda p: p.update(disabledRootKeys=["ROOT.1", "ROOT.2"])),
        Erc.PACKAGE_DISABLES_ALL,
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_package_that_devices_would_refuse_is_neither_served_nor_signed_under(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, erc = REFUSED[kind]
    world = KeyWorld()
    world.clock.advance(3600)
    world.use(with_package(made()))

    for use in (world.signing.keyring(), world.signing.sign(MANIFEST, "op")):
        with caplog.at_level(logging.ERROR), pytest.raises(DependencyFailed) as refused:
            await use
        assert f"({int(erc):08X})" in refused.value.message
        assert not refused.value.retryable
    assert "is refused" in caplog.text
    assert await world.accepted_packages.get() is None


async def test_a_package_that_expires_while_it_is_served_is_served_no_more() -> None:
    world = KeyWorld()
    world.use(with_package(package(lambda p: p.update(expires=int(WHEN) + 13 * 3600))))
    await world.signing.keyring()

    world.clock.advance(2 * 3600)

    with pytest.raises(DependencyFailed, match="has expired"):
        await world.signing.keyring()


@pytest.mark.parametrize("is_restarted", [True, False])
async def test_an_older_package_is_refused_also_after_a_restart(is_restarted: bool) -> None:
    world = KeyWorld()
    await world.signing.keyring()
    world.use(after_revocation(a_keyring()))
    await world.signing.keyring()
    if is_restarted:
        world.rebuild()

    world.use(a_keyring())

    with pytest.raises(DependencyFailed, match="is older than 2"):
        await world.signing.keyring()


async def test_a_package_of_the_same_version_with_other_content_is_refused() -> None:
    world = KeyWorld()
    world.use(with_package(package()))
    await world.signing.keyring()

    world.use(with_package(package(lambda p: p.update(disabledRootKeys=["ROOT.2"]))))

    with pytest.raises(DependencyFailed, match=f"{int(Erc.PACKAGE_CHANGED_IN_PLACE):08X}"):
        await world.signing.keyring()


async def test_a_newer_package_that_trusts_again_what_was_disabled_is_refused() -> None:
    world = KeyWorld()
    world.use(after_revocation(a_keyring()))
    await world.signing.keyring()

    world.use(with_package(package()))

    with pytest.raises(DependencyFailed, match="trusts again what 2 disables"):
        await world.signing.keyring()


async def test_packages_that_follow_one_another_are_accepted() -> None:
    world = KeyWorld()
    keyring = a_keyring()
    for change in (after_rotation, after_revocation, after_rotation):
        keyring = change(keyring)
        world.use(keyring)
        signature, _ = await world.signing.sign(MANIFEST, "op")
        verify(MANIFEST, signature, keyring)

    accepted = await world.accepted_packages.get()
    assert accepted is not None
    assert accepted.value == keyring.root_key_package


@pytest.mark.parametrize("kind", sorted({*REFUSED} - {"expired", "of the future"}))
def test_a_package_that_devices_would_refuse_is_not_published(kind: str) -> None:
    made, erc = REFUSED[kind]

    with pytest.raises(KeysError, match=f"devices would refuse this keyring.*{int(erc):08X}"):
        check(with_package(made()), None)


def test_a_keyring_is_published_only_if_it_follows_the_one_in_force() -> None:
    check(a_keyring(), None)
    later = after_revocation(a_keyring())
    check(later, a_keyring())

    with pytest.raises(KeysError, match="is older than 2"):
        check(a_keyring(), later)
    with pytest.raises(KeysError, match="trusts again"):
        check(with_package(package()), later)


def test_a_keyring_whose_signing_key_no_root_vouches_for_is_not_published() -> None:
    other = OTHERS.vouch(next(iter(OTHERS.keys.values())).public_key(), "S")

    with pytest.raises(KeysError, match="devices would refuse this keyring"):
        check(replace(a_keyring(), sjwk=other), None)


def test_packages_of_the_test_are_of_the_form_that_is_served() -> None:
    assert json.loads(package())["protected"]["version"] == 7
