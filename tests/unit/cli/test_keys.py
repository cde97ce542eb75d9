"""`odu keys show` tells what a rotation has done from what a revocation has done."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from shared.domain.updates.keyring import Keyring
from tests.command_line import run
from tests.signing import OPERATOR, a_keyring, after_revocation, after_rotation, roots

FIRST = a_keyring()
ROTATED = after_rotation(FIRST)
REVOKED = after_revocation(FIRST)
ROTATED_AFTER_REVOCATION = after_rotation(REVOKED)


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch):
    def shown(keyring: Keyring, *options: str) -> str:
        site = SimpleNamespace(current=lambda: (keyring, "etag"))
        monkeypatch.setattr("odu_cli.commands.keys._site", lambda session: site)
        ended = run("keys", "show", *options)
        assert ended.code == 0, ended
        return ended.stdout

    return shown


@pytest.mark.parametrize(
    ("keyring", "lines"),
    [
        pytest.param(
            FIRST,
            ["SIGN.1 signs (key-1)", "the key in use came by the first ceremony"],
            id="first",
        ),
        pytest.param(
            ROTATED,
            [
                "SIGN.1 good (replaced by a rotation; devices still accept what it has signed)",
                "SIGN.2 signs (key-2)",
                "the key in use came by a rotation: the key before it stays good",
            ],
            id="rotation",
        ),
        pytest.param(
            REVOKED,
            [
                "SIGN.1 revoked (devices refuse what it has signed)",
                "SIGN.2 signs (key-2)",
                "the key in use came by a revocation: devices refuse the key before it",
            ],
            id="revocation",
        ),
        pytest.param(
            ROTATED_AFTER_REVOCATION,
            [
                "SIGN.1 revoked (devices refuse what it has signed)",
                "SIGN.2 good (replaced by a rotation; devices still accept what it has signed)",
                "SIGN.3 signs (key-3)",
                "the key in use came by a rotation: the key before it stays good",
            ],
            id="rotation after a revocation",
        ),
    ],
)
def test_keys_show_tells_rotation_from_revocation_in_words(show, keyring, lines) -> None:
    printed = [" ".join(line.split()) for line in show(keyring).splitlines()]

    assert printed == [
        f"edition {keyring.edition} of {keyring.changed_at} by {OPERATOR}",
        f"root key package {keyring.root_key_version}, signed by {', '.join(roots().keys)}",
        *lines,
    ]


@pytest.mark.parametrize(
    ("keyring", "change", "states"),
    [
        (FIRST, "first", {"SIGN.1": "signs"}),
        (ROTATED, "rotation", {"SIGN.1": "good", "SIGN.2": "signs"}),
        (REVOKED, "revocation", {"SIGN.1": "revoked", "SIGN.2": "signs"}),
    ],
)
def test_keys_show_tells_rotation_from_revocation_to_programs(
    show, keyring, change, states
) -> None:
    document = json.loads(show(keyring, "--json"))

    assert (document["lastChange"], document["signingKeys"]) == (change, states)
