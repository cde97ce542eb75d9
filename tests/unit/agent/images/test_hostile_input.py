"""What reads foreign bytes refuses them with its own error, whatever they are."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odu_agent.apt.manifest import parse_apt_manifest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestError
from odu_agent.delta.zstd import read_frame_header
from odu_agent.images import ImageError
from odu_agent.images.compression import unpacked
from odu_agent.images.cpio import CpioReader
from odu_agent.images.description import parse_description
from odu_agent.images.libconfig import parse_libconfig

CONFIG = st.text(st.sampled_from('{}[]()=:;,"\\/*#\n aX1.+-L'), max_size=60)


def _header(magic: bytes, fields: list[int], name: bytes) -> bytes:
    return magic + b"".join(b"%08X" % field for field in fields) + name


HEADERS = st.builds(
    _header,
    st.sampled_from([b"070701", b"070702", b"070707"]),
    st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0o100644, 11]), min_size=13, max_size=13),
    st.binary(max_size=40),
)


@given(st.binary(max_size=400) | HEADERS | st.lists(HEADERS, max_size=3).map(b"".join))
def test_cpio_reader_refuses_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        [list(blocks) for _, blocks in CpioReader(io.BytesIO(data)).members()]
    assert refused.value.erc == Erc.IMAGE_ARCHIVE


@given(CONFIG)
def test_libconfig_reader_reads_or_refuses(text: str) -> None:
    try:
        settings = parse_libconfig(text)
    except ValueError:
        return
    assert isinstance(settings, dict)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("a = 1; b : -2L, c = 0x1F", {"a": 1, "b": -2, "c": 31}),
        ('a = "x\\ty\\x41" "z"; // end', {"a": "x\tyAz"}),
        ("a = { b = [1, 2]; c = (true, { d = 1.5e3; },); };", None),
        ("/* a = 1; */ # b\n", {}),
    ],
)
def test_libconfig_reader_reads(text: str, settings: dict[str, object] | None) -> None:
    expected = (
        settings if settings is not None else {"a": {"b": [1, 2], "c": [True, {"d": 1500.0}]}}
    )

    assert parse_libconfig(text) == expected


@given(CONFIG | st.text(max_size=200))
def test_description_is_read_or_refused(text: str) -> None:
    with pytest.raises(ImageError) as refused:
        parse_description(f"software = {{ {text} }};".encode(), None)
    assert refused.value.erc == Erc.IMAGE_DESCRIPTION


@given(st.binary(max_size=300), st.sampled_from(["zlib", "xz"]))
def test_unpacking_ends_or_is_refused(data: bytes, compression: str) -> None:
    with pytest.raises(ImageError) as refused:
        list(unpacked(iter([data]), compression))
    assert refused.value.erc == Erc.IMAGE_ARCHIVE


@given(st.binary(max_size=18) | st.binary(max_size=14).map(lambda data: b"\x28\xb5\x2f\xfd" + data))
def test_frame_header_is_read_or_refused(data: bytes) -> None:
    try:
        header = read_frame_header(data)
    except (ValueError, IndexError):
        return
    assert header.window_bytes >= 0


PACKAGES = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(max_size=12)}, optional={"version": st.text(max_size=9)}
    ),
    max_size=3,
)


@given(PACKAGES)
def test_apt_manifest_lets_nothing_through_that_apt_could_take_for_an_option(
    packages: list[dict[str, str]],
) -> None:
    document = {"name": "n", "version": "1", "packages": packages}
    try:
        manifest = parse_apt_manifest(json.dumps(document).encode())
    except ManifestError:
        return
    for package in manifest.packages:
        assert package.argument[0].isalnum()
        assert package.argument.isascii()
        assert not set(package.argument) & set(" */\\?^$'\"\n~")


@pytest.mark.parametrize(
    "name", ["-o", "--root=/", "a*", "../a", "A", "a b", "a=1", "~n.", "?all", "^a", "a/b", "", "-"]
)
def test_apt_manifest_refuses_names_that_are_none(name: str) -> None:
    document = {"name": "n", "version": "1", "packages": [{"name": name}]}

    with pytest.raises(ManifestError) as refused:
        parse_apt_manifest(json.dumps(document).encode())
    assert refused.value.erc == Erc.HANDLER_DATA_MALFORMED


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"version": 1},
        {"packages": []},
        {"packages": [{"name": "a"}, {"name": "a"}]},
        {"packages": [{"name": "a-", "version": "1"}]},
        {"packages": [{"name": "a", "version": "1 2"}]},
        {"agentRestartRequired": "yes"},
    ],
)
def test_apt_manifest_that_is_malformed_is_refused(changes: dict[str, object]) -> None:
    document = {"name": "n", "version": "1", "packages": [{"name": "a"}], **changes}

    with pytest.raises(ManifestError) as refused:
        parse_apt_manifest(json.dumps(document).encode())
    assert refused.value.erc == Erc.HANDLER_DATA_MALFORMED
