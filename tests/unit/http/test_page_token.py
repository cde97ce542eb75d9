"""Page tokens are good for one caller, one list and one day, and not when a bit was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from shared.adapters.keys import FernetSealer
from shared.domain.errors import InvalidInput
from shared.http.page_token import PageTokens

KEY = Fernet.generate_key().decode()
NOW = "2024-05-01T12:00:00.000000+00:00"
TOKENS = PageTokens(FernetSealer(KEY), scope="devices of factory", caller="somebody", now=NOW)
STORED = "1!8!ZGV2aWNl"


def refused(tokens: PageTokens, sealed: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        tokens.open(sealed)
    assert (caught.value.code, caught.value.target) == ("InvalidArgument", "token")
    assert STORED not in caught.value.message
    return caught.value


def test_token_opens_for_its_caller_and_list_in_any_process() -> None:
    sealed = TOKENS.seal(STORED)

    assert STORED not in sealed
    assert TOKENS.open(sealed) == STORED
    assert replace(TOKENS, sealer=FernetSealer(KEY)).open(sealed) == STORED
    assert TOKENS.open(None) is None


def test_token_is_refused_to_another_caller() -> None:
    error = refused(replace(TOKENS, caller="other"), TOKENS.seal(STORED))

    assert "another caller" in error.message


def test_token_is_refused_for_another_path_or_filter() -> None:
    error = refused(replace(TOKENS, scope="devices of factory, filtered"), TOKENS.seal(STORED))

    assert "another list" in error.message


def test_token_expires_after_a_day() -> None:
    sealed = TOKENS.seal(STORED)
    last = replace(TOKENS, now="2024-05-02T11:59:59.999999+00:00")
    late = replace(TOKENS, now="2024-05-02T12:00:00.000000+00:00")

    assert last.open(sealed) == STORED
    error = refused(late, sealed)
    assert error.inner is not None
    assert error.inner.code == "PageTokenExpired"


def test_token_is_refused_with_any_bit_changed() -> None:
    sealed = TOKENS.seal(STORED)
    for place, sign in enumerate(sealed):
        for bit in range(7):
            changed = sealed[:place] + chr(ord(sign) ^ (1 << bit)) + sealed[place + 1 :]
            refused(TOKENS, changed)


@pytest.mark.parametrize("sealed", ["", "x", "gAAAAA", "💥", "\ud800", "a" * 5_000])
def test_token_is_refused_when_it_is_none(sealed: str) -> None:
    refused(TOKENS, sealed)


def test_token_is_refused_with_signs_that_base64_overlooks() -> None:
    sealed = TOKENS.seal(STORED)

    for strange in (f" {sealed}", f"{sealed}\n", f"{sealed}=", sealed.replace("g", "g!", 1)):
        refused(TOKENS, strange)


def test_token_of_another_key_is_refused() -> None:
    other = replace(TOKENS, sealer=FernetSealer(Fernet.generate_key().decode()))

    refused(TOKENS, other.seal(STORED))


def test_sealed_text_that_is_no_token_is_refused() -> None:
    for text in ("https://example.com/?sig=x", "[]", '["a", "b", 5, "d"]', "null"):
        refused(TOKENS, FernetSealer(KEY).seal(text))
