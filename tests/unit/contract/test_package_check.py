"""Which root key packages the service serves: those that every device would take over."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contract.codes import Erc
from shared.contract.package_check import check_package, check_signing_key
from shared.contract.rootkeys import RootKeyError
from shared.contract.signature import SignatureError

from . import vectors

NOW = 1_700_000_000.0


def package(**changes: Any) -> str:
    return vectors.signed_package(**changes).decode()


def refusal(text: str, before: str | None = None) -> RootKeyError:
    with pytest.raises(RootKeyError) as raised:
        check_package(text, before, NOW)
    return raised.value


DISABLED = {"alg": "SHA256", "hash": "AAAA"}


def test_package_that_every_root_signed_is_served() -> None:
    found = check_package(package(), None, NOW)

    assert [key.kid for key in found.root_keys] == list(vectors.ROOT_KIDS)
    assert check_package(package(), package(), NOW) == found
    assert check_package(package(version=2), package(), NOW).version == 2


@pytest.mark.parametrize(
    ("text", "before", "erc"),
    [
        ({"isTest": True}, None, Erc.PACKAGE_IS_TEST),
        ({"disabledRootKeys": list(vectors.ROOT_KIDS)}, None, Erc.PACKAGE_DISABLES_ALL),
        ({"expires": int(NOW)}, None, Erc.PACKAGE_EXPIRED),
        ({"published": int(NOW) + 86_401}, None, Erc.PACKAGE_FROM_THE_FUTURE),
        ({"version": 1}, {"version": 2}, Erc.PACKAGE_ROLLED_BACK),
        ({"published": 5}, {}, Erc.PACKAGE_CHANGED_IN_PLACE),
    ],
)
def test_package_that_a_device_would_refuse_is_not_served(
    text: dict[str, Any], before: dict[str, Any] | None, erc: Erc
) -> None:
    known = None if before is None else package(**before)

    assert refusal(package(**text), known).erc == erc


def test_package_with_a_wrong_signature_is_not_served() -> None:
    assert refusal(vectors.text("rootkeys-testpair.tampered.json")).erc == (
        Erc.PACKAGE_SIGNATURE_WRONG
    )


def test_package_does_not_trust_again_what_was_disabled() -> None:
    before = package(disabledRootKeys=["root.2"], disabledSigningKeys=[DISABLED])

    dropping = refusal(package(version=2), before)
    root = refusal(package(version=2, disabledSigningKeys=[DISABLED]), before)
    other = {**DISABLED, "alg": "SHA384"}
    signing = refusal(
        package(version=2, disabledRootKeys=["root.2"], disabledSigningKeys=[other]), before
    )

    assert {each.erc for each in (dropping, root, signing)} == {Erc.PACKAGE_ROLLED_BACK}
    assert dropping.message == ("root key package 2 trusts again what 1 disables: AAAA, root.2")
    assert root.message.endswith(": root.2")
    assert signing.message.endswith(": AAAA")
    more = {"disabledRootKeys": ["root.2"], "disabledSigningKeys": [DISABLED, other]}
    assert check_package(package(version=2, **more), before, NOW).version == 2


def test_signing_key_is_one_that_devices_with_the_package_trust() -> None:
    check_signing_key(vectors.sjwk(), check_package(package(), None, NOW))
    disabled = check_package(package(disabledRootKeys=["root.1"]), None, NOW)

    with pytest.raises(SignatureError) as raised:
        check_signing_key(vectors.sjwk(), disabled)

    assert raised.value.erc == Erc.JWS_ROOT_KEY_DISABLED
