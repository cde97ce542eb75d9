from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.codes import (
    Erc,
    counted_erc,
    describe_erc,
    format_erc,
    parse_extended_result_codes,
)

_CODES = st.integers(min_value=0, max_value=0xFFFFFFFF)


@given(st.lists(_CODES))
def test_extended_result_codes_come_back(codes: list[int]) -> None:
    assert parse_extended_result_codes(",".join(map(format_erc, codes))) == codes


def test_format_erc_is_eight_upper_case_digits_when_negative() -> None:
    assert format_erc(Erc.PACKAGE_UNCHANGED) == "A0000FFF"
    assert format_erc(-1) == "FFFFFFFF"
    assert format_erc(0) == "00000000"


@pytest.mark.parametrize("text", ["1", "0000000G", "00000000,", " 00000000", "00000000, 00000000"])
def test_parse_extended_result_codes_refuses_text_when_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="eight-digit"):
        parse_extended_result_codes(text)


@given(_CODES)
def test_describe_erc_gives_a_sentence_and_a_step_for_every_code(code: int) -> None:
    sentence, step = describe_erc(code)

    assert sentence.endswith(".")
    assert step.endswith(".")


def test_describe_erc_tells_known_codes_apart() -> None:
    assert describe_erc(Erc.SIGNING_KEY_DISABLED) != describe_erc(Erc.JWS_INVALID_SIGNATURE)
    assert "30501007" in describe_erc(0x30501007)[0]
    assert "script" in describe_erc(0x30501007)[0]
    assert "root key package" in describe_erc(Erc.PACKAGE_EXPONENT)[0]


@pytest.mark.parametrize("code", [Erc.PACKAGE_DOWNLOAD_FAILED, 0xA0101001, 0xA0100002, 0xA01FFFFF])
def test_a0101001_and_its_kind_are_downloads_of_the_root_key_package(code: int) -> None:
    sentence, step = describe_erc(code)

    assert sentence.startswith("The root key package could not be downloaded")
    assert "service's own address" in step
    assert counted_erc(code) in (code, 0xA0100000)
    assert describe_erc(counted_erc(code))[1] == step


@pytest.mark.parametrize(
    ("status", "helps"), [(401, "Retry"), (403, "Retry"), (404, "Import"), (410, "Import")]
)
def test_hint_for_a_refused_link_says_what_helps(status: int, helps: str) -> None:
    """Delivery Optimization's codes hold the HRESULT 0x8019nnnn, nnnn the HTTP status."""
    code = 0xD0000000 | ((0x80190000 + status) & 0x0FFFFFFF)

    sentence, step = describe_erc(code)

    assert str(status) in sentence
    assert step.startswith(helps)
    assert counted_erc(code) == code, "told apart in counters too"
