from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.encoding import b64, b64url, sha256_b64, unb64, unb64url


@given(st.binary())
def test_base64_comes_back_in_both_alphabets(data: bytes) -> None:
    assert unb64(b64(data)) == data
    assert unb64url(b64url(data)) == data
    assert not set(b64url(data)) & set("+/=")


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=12))
def test_base64_accepts_only_the_canonical_text(text: str) -> None:
    for decode, encode in ((unb64, b64), (unb64url, b64url)):
        try:
            data = decode(text)
        except ValueError:
            continue
        assert encode(data) == text


@pytest.mark.parametrize("text", ["AQA", "AQA=\n", " AQA=", "AR==", "A-_=", "A", "é==="])
def test_unb64_refuses_text_when_not_canonical(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        unb64(text)


@pytest.mark.parametrize("text", ["AQ==", "AR", "A+/A", "A", "AQ\n"])
def test_unb64url_refuses_text_when_not_canonical(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        unb64url(text)


def test_only_padding_is_left_out_at_the_end() -> None:
    assert b64url(b"\x00\x00\x17") == b64(b"\x00\x00\x17") == "AAAX"
    assert (b64url(b"\x00"), b64(b"\x00")) == ("AA", "AA==")


def test_sha256_b64_is_padded_standard_base64() -> None:
    assert unb64(sha256_b64(b"abc")) == hashlib.sha256(b"abc").digest()
    assert len(sha256_b64(b"abc")) == 44
