from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.updates.source_url import (
    FILTERED,
    MAX_URL_LENGTH,
    SourcePolicy,
    is_public,
    redact,
)

CLOSED = SourcePolicy()
ON_LOOPBACK = SourcePolicy(allow_loopback=True)


def refuses(policy: SourcePolicy, url: str, code: str = "SourceRefused") -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        policy.check_url(url)
    assert refused.value.code == code
    assert "CANARY" not in str(refused.value)
    return refused.value


def test_source_url_is_taken_apart_once() -> None:
    source = CLOSED.check_url("https://Acme.Blob.Core.Windows.NET./c/a%20b?sv=1&sig=x%2By")

    assert (source.scheme, source.host, source.port) == (
        "https",
        "acme.blob.core.windows.net",
        443,
    )
    assert source.target == "/c/a%20b?sv=1&sig=x%2By"
    assert source.authority == "https://acme.blob.core.windows.net:443"
    assert "sig" not in repr(source)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme.example/file",
        "//acme.example/file",
        "http://acme.example/f?sig=CANARY",
        "http://acme.example:443/f",
        "ftp://acme.example/f",
        "file:///etc/passwd",
        "gopher://acme.example/",
        "https:///f",
        "https://user@acme.example/f",
        "https://user:CANARY@acme.example/f",
        "https://acme.example:443@evil.example/f",
        "https://acme.example/f#CANARY",
        "https://acme.example/f#",
        "https://acme.example\\@evil.example/f",
        "https://acme.example/a b",
        "https://acme.example/a\\b",
        "https://acme.example/a\r\nHost: evil",
        "https://acme.example/\0",
        " https://acme.example/",
        "https://acme.example:8443/f",
        "https://acme.example:0/f",
        "https://acme.example:99999/f",
        "https://acme.example:x/f",
        "https://acme..example/f",
        "https://-acme.example/f",
        "https://acme_.-x.example/f",
        "https://größe.example/f",
        "https://\uff41cme.example/f",
        "https://" + "a" * 64 + ".example/f",
        "https://" + "a." * 130 + "example/f",
        "https://acme.example/" + "x" * 8192,
        "https://localhost/f",
        "https://metadata/f",
        "https://8.8.8.8/f",
        "https://127.0.0.1/f",
        "https://127.0.0.1./f",
        "https://127.1/f",
        "https://2130706433/f",
        "https://0x7f.1/f",
        "https://0x7f000001/f",
        "https://0177.0.0.1/f",
        "https://127.0.0.1%00.example/f",
        "https://[::1]/f",
        "https://[::ffff:169.254.169.254]/f",
        "https://[fe80::1%25eth0]/f",
        "https://[2606:4700::1111]/f",
        "https://[v1.x]/f",
        "https://[::1/f",
        "https://[acme.example]/f",
    ],
)
def test_source_url_is_refused_when_not_plain_https_to_a_named_host(url: str) -> None:
    refuses(CLOSED, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:10000/devstoreaccount1/c/f?sig=x",
        "http://localhost:10000/f",
        "https://127.0.0.2/f",
        "http://[::1]:8080/f",
        "https://acme.example/f",
    ],
)
def test_source_url_may_name_loopback_when_development_allows_it(url: str) -> None:
    ON_LOOPBACK.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/f",
        "https://169.254.169.254/f",
        "http://[::ffff:10.0.0.1]/",
        "http://127.1/",
        "http://[::1%25lo]/f",
        "http://[fe80::1%25eth0]/f",
    ],
)
def test_source_url_may_name_no_other_private_address_when_loopback_is_allowed(url: str) -> None:
    refuses(ON_LOOPBACK, url)


@pytest.mark.parametrize("port", [0, 99999, "x"])
def test_source_url_with_no_port_that_there_is_is_malformed(port: object) -> None:
    error = refuses(ON_LOOPBACK, f"https://acme.example:{port}/f")

    assert error.message == "The source URL is malformed."


def test_source_url_is_taken_at_its_limits() -> None:
    longest = "https://acme.example/"
    longest += "x" * (MAX_URL_LENGTH - len(longest))
    name = ".".join(["a" * 63] * 3 + ["b" * 53, "example"])
    assert len(name) == 253

    assert CLOSED.check_url(longest).host == "acme.example"
    assert CLOSED.check_url(f"https://{name}/f").host == name
    refuses(CLOSED, longest + "x")
    refuses(CLOSED, f"https://{name.replace('example', 'examples')}/f")


def test_source_url_has_the_port_of_its_scheme() -> None:
    assert ON_LOOPBACK.check_url("http://localhost/f").port == 80
    assert ON_LOOPBACK.check_url("https://localhost/f").port == 443


def test_source_url_host_must_be_listed_when_a_list_is_given() -> None:
    policy = SourcePolicy(host_suffixes=(".blob.core.windows.net", "acme.example"))

    for host in ("x.blob.core.windows.net", "acme.example", "cdn.Acme.example"):
        policy.check_url(f"https://{host}/f")
    for host in ("evilacme.example", "acme.example.evil.example", "blob.core.windows.net.evil"):
        refuses(policy, f"https://{host}/f", FILTERED)


SPECIAL = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1",
    "::ffff:8.8.8.8", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::a83f:8110",
    "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", SPECIAL)
def test_address_is_refused_when_special(address: str) -> None:
    source = CLOSED.check_url("https://acme.example/f")

    assert not is_public(ip_address(address))
    with pytest.raises(InvalidInput) as refused:
        CLOSED.check_address(source, ip_address(address))
    assert address not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "168.63.129.17", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"],
)
def test_address_is_allowed_when_public(address: str) -> None:
    CLOSED.check_address(CLOSED.check_url("https://acme.example/f"), ip_address(address))


def test_address_must_be_loopback_when_the_url_is_http() -> None:
    source = ON_LOOPBACK.check_url("http://acme.example:8080/f")

    ON_LOOPBACK.check_address(source, ip_address("127.0.0.1"))
    with pytest.raises(InvalidInput):
        ON_LOOPBACK.check_address(source, ip_address("8.8.8.8"))


def test_address_must_be_loopback_when_the_port_is_unusual() -> None:
    source = ON_LOOPBACK.check_url("https://acme.example:8443/f")

    with pytest.raises(InvalidInput):
        ON_LOOPBACK.check_address(source, ip_address("8.8.8.8"))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_no_address_is_public_that_the_standard_library_knows_to_be_private(
    address: IPv4Address | IPv6Address,
) -> None:
    assert address.is_global or not is_public(address)


@given(st.ip_addresses(v=4))
def test_nat64_address_is_judged_by_the_address_inside(inner: IPv4Address) -> None:
    outer = IPv6Address(int(IPv6Address("64:ff9b::")) + int(inner))

    assert is_public(outer) == is_public(inner)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://acme.example/c/f?sig=CANARY", "https://acme.example/c/f?…"),
        ("https://u:CANARY@acme.example/f", "https://acme.example/f"),
        ("https://acme.example/f#CANARY", "https://acme.example/f?…"),
        ("https://acme.example/f;sig=CANARY", "https://acme.example/f?…"),
        ("https://acme.example", "https://acme.example"),
        ("CANARY", "…"),
        ("https://u:CANARY@acme.example/a://b", "https://acme.example/a://b"),
        ("https://acme.example/a@b/c", "https://acme.example/a@b/c"),
        ("https://acme.example/" + "x" * 400, "https://acme.example/" + "x" * 279),
        ("https://acme.example/a\nb\x1b[0m", "https://acme.example/ab[0m"),
    ],
)
def test_redact_shows_scheme_host_and_path_alone(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text(), st.text())
def test_redact_never_shows_a_query(path: str, query: str) -> None:
    assert "CANARY" not in redact(
        f"https://acme.example/{path.replace('CANARY', '')}?{query}CANARY"
    )
