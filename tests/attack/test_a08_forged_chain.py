"""A08: content signed by keys of the attacker's own making."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from local.stack.keys import ROOT_KIDS
from odu_cli.keys.roots import Roots
from shared.contract.codes import Erc
from shared.contract.signature import compose, signing_input
from tests.builders.forged_commands import refusal, still_installed, updated_devices
from tests.packages import make_package, unique
from tests.signing import private_key

if TYPE_CHECKING:
    from tests.product import Product


def signed_by(roots: Roots, service: dict[str, Any]) -> dict[str, Any]:
    """The command with another version in its manifest, signed under these root keys."""
    manifest = service["updateManifest"].replace('"1.0"', '"9.9"')
    key = private_key(1)
    data = signing_input(roots.vouch(key.public_key(), "FORGED"), manifest)
    signature = compose(data, key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    return {**service, "updateManifest": manifest, "updateManifestSignature": signature}


async def test_a08_device_refuses_a_chain_that_its_root_keys_did_not_begin(
    product: Product,
) -> None:
    model = unique("model")
    package = make_package(model)
    pretended = Roots.generate(ROOT_KIDS)
    unknown = replace(pretended, keys={"ROOT.X": pretended.keys[ROOT_KIDS[0]]})
    own_package = product.sources.put(pretended.package(99).encode(), "rootkeys.json")
    async with updated_devices(product, **{model: package}) as (device,):
        service = await product.service_of(device)
        forged = signed_by(pretended, service)

        codes = [
            await refusal(product, device, forged),
            await refusal(product, device, signed_by(unknown, service)),
            await refusal(product, device, {**forged, "rootKeyPackageUrl": own_package}),
        ]

        await still_installed(product, device, package)
    assert codes == [
        f"{erc:08X}"
        for erc in (
            Erc.JWS_INVALID_SIGNATURE,
            Erc.JWS_ROOT_KEY_UNKNOWN,
            Erc.PACKAGE_SIGNATURE_WRONG,
        )
    ]
