from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest
from azure.iot.device.common.auth.sastoken import RenewableSasToken
from azure.iot.device.common.auth.signing_mechanism import SymmetricKeySigningMechanism
from azure.iot.hub.sastoken import SasToken

from local.cloud.iothub.auth import OWNER, SERVICE, Authority, Policy, Right, parse, sign
from local.cloud.iothub.errors import HubError

KEY = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
AUTHORITY = Authority(
    ("localhost", "hub.azure-devices.net"),
    {"iothubowner": Policy(KEY, OWNER), "service": Policy(OTHER, SERVICE)},
)


def token(resource: str, key: str = KEY, policy: str = "", expiry: str | None = None) -> str:
    encoded = quote(resource, safe="")
    expiry = expiry or str(int(time.time()) + 100)
    signature = quote(base64.b64encode(sign(encoded, expiry, key)).decode(), safe="")
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}" + (
        f"&skn={policy}" if policy else ""
    )


def test_token_of_the_service_sdk_is_accepted_with_a_port_in_its_host() -> None:
    text = str(SasToken("localhost:8443", KEY, "iothubowner"))

    AUTHORITY.check_service(text, "/devices/d", Right.REGISTRY_WRITE)


def test_token_of_the_device_sdk_is_accepted_with_either_key() -> None:
    text = str(RenewableSasToken("localhost/devices/d", SymmetricKeySigningMechanism(OTHER)))

    assert AUTHORITY.check_device(text, "devices/d", (KEY, OTHER)) > time.time()
    with pytest.raises(HubError):
        AUTHORITY.check_device(text, "devices/d", (KEY, None))
    with pytest.raises(HubError):
        AUTHORITY.check_device(text, "devices/e", (OTHER,))


def test_narrow_token_opens_only_what_it_names() -> None:
    text = token("localhost/twins", policy="iothubowner")

    AUTHORITY.check_service(text, "/twins/d", Right.SERVICE_CONNECT)
    with pytest.raises(HubError, match="another resource"):
        AUTHORITY.check_service(text, "/twinsel", Right.SERVICE_CONNECT)


def test_policy_without_the_right_is_refused() -> None:
    text = token("localhost", OTHER, "service")

    AUTHORITY.check_service(text, "/devices/d", Right.REGISTRY_READ)
    with pytest.raises(HubError, match="lacks the right"):
        AUTHORITY.check_service(text, "/devices/d", Right.REGISTRY_WRITE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bearer abc",
        "SharedAccessSignature ",
        "SharedAccessSignature sr=a&sig=%&se=99999999999",
        "SharedAccessSignature sr=a&sig=é&se=99999999999",
        token("localhost", expiry="1"),
        token("localhost", expiry="soon"),
        token("localhost", expiry="²²²²²²²²²²²"),
        token("localhost", expiry="9" * 400),
        token("localhost", expiry="-1"),
    ],
)
def test_token_is_refused_when_malformed_or_expired(text: str) -> None:
    with pytest.raises(HubError) as caught:
        parse(text)

    assert caught.value.status == 401


def test_signature_covers_resource_and_expiry() -> None:
    good = parse(token("localhost"))

    assert good.is_signed_with(KEY)
    assert not good.is_signed_with(OTHER)
    for changed in (
        parse(token("localhost").replace("localhost", "localhosu")),
        parse(token("localhost").replace("&se=", "&se=9")),
    ):
        assert not changed.is_signed_with(KEY)
