"""`./odu keys`: the signing key of update manifests: show, first ceremony, rotation, revocation."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cli.options import add_state, fail, parser
from local.stack.errors import NotRunning

if TYPE_CHECKING:
    from local.keys.roots import Roots
    from local.keys.service import Service
    from local.keys.signing_keys import KeyStore
    from shared.domain.updates.keyring import Keyring

_DESCRIPTION = """\
Show or change the key that signs update manifests. By default this is about the local stack. With
--azure it is about a deployed service: storage and Key Vault are taken from the environment, under
the names of the service's app settings (STATE, CONTENT, SIGNING_VAULT_URL), with your own identity.
"""
_VAULT_KEY = "update-signing"


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is: the service, its signing keys, the root keys, the operator's copy."""

    service: Service
    store: KeyStore
    roots: Path | None
    copy: Path | None


def main(arguments: list[str]) -> int:
    """Run the command."""
    given = _parse(arguments)
    from local.keys.roots import KeysError
    from shared.domain.errors import InvalidInput

    try:
        site = _azure(given) if given.azure else _local(given)
        return int(given.run(site, given))
    except (KeysError, NotRunning, InvalidInput) as error:
        return fail(error)


def _parse(arguments: list[str]) -> argparse.Namespace:
    keys = parser("keys", _DESCRIPTION)
    where = argparse.ArgumentParser(add_help=False)
    place = where.add_mutually_exclusive_group()
    add_state(place)
    place.add_argument("--azure", action="store_true", help="a deployed service; see ./odu keys -h")
    rooted = argparse.ArgumentParser(add_help=False, parents=[where])
    rooted.add_argument(
        "--roots", type=Path, metavar="DIR", help="folder of the root keys; needed with --azure"
    )
    rooted.add_argument("--kid", help="id of the new signing key (default: the next number)")
    rooted.add_argument(
        "--key-name", default=_VAULT_KEY, help="name of the key in the vault (default: %(default)s)"
    )
    commands = keys.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", parents=[where], help="show the keys and their state")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    show.set_defaults(run=_show)
    create = commands.add_parser(
        "create", parents=[rooted], help="hold the first ceremony of a deployed service"
    )
    create.add_argument(
        "--root-kid", action="append", metavar="KID", help="make a root key; give it at least twice"
    )
    create.set_defaults(run=_create)
    rotate = commands.add_parser(
        "rotate", parents=[rooted], help="sign with a new key; the old one stays good"
    )
    rotate.set_defaults(run=_rotate)
    revoke = commands.add_parser(
        "revoke", parents=[rooted], help="have devices refuse a key, and replace it if it is in use"
    )
    revoke.add_argument("revoked", nargs="?", metavar="KID", help="default: the key in use")
    revoke.set_defaults(run=_revoke)
    refresh = commands.add_parser(
        "refresh", parents=[rooted], help="publish a root key package that devices take for longer"
    )
    refresh.add_argument(
        "--days", type=int, metavar="N", help="how long it is good (default: for ever)"
    )
    refresh.set_defaults(run=_refresh)
    resign = commands.add_parser(
        "resign", parents=[where], help="order again to sign anew what an older key signed"
    )
    resign.set_defaults(run=_resign)
    return keys.parse_args(arguments)


def _local(given: argparse.Namespace) -> Site:
    from local.keys.signing_keys import KeyFolder
    from local.stack.keys import ROOTS, SIGNING, storage_of
    from local.stack.running import Stack
    from local.stack.state import StateDirectory
    from shared.domain.updates.keyring import KEYRING

    stack = Stack.load(given.state)
    keys = StateDirectory(Path(stack.state)).keys
    return Site(
        storage_of(stack.storage_connection_string),
        KeyFolder(keys / SIGNING),
        getattr(given, "roots", None) or keys / ROOTS,
        keys / KEYRING,
    )


def _azure(given: argparse.Namespace) -> Site:
    from local.keys.roots import KeysError
    from local.keys.service import Service
    from local.keys.signing_keys import KeyVault
    from shared.settings import read_connections

    state, content = read_connections(os.environ)
    vault = os.environ.get("SIGNING_VAULT_URL")
    if not vault:
        raise KeysError("SIGNING_VAULT_URL is not set")
    name = getattr(given, "key_name", _VAULT_KEY)
    store = KeyVault(vault, _identity, name, {})
    return Site(Service(state, content, _identity), store, getattr(given, "roots", None), copy=None)


def _identity() -> Any:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _show(site: Site, given: argparse.Namespace) -> int:
    from local.keys.changes import disabled_kids

    keyring, _ = _current(site)
    disabled = disabled_kids(keyring)
    states = {
        kid: "revoked" if kid in disabled else "signs" if kid == keyring.kid else "good"
        for kid in keyring.key_hashes
    }
    roots = list(json.loads(keyring.root_key_package)["protected"]["rootKeys"])
    if given.json:
        print(
            json.dumps(
                {
                    "edition": keyring.edition,
                    "rootKeyPackageVersion": keyring.root_key_version,
                    "rootKeys": roots,
                    "signingKeys": states,
                    "key": keyring.key,
                    "changedAt": keyring.changed_at,
                    "changedBy": keyring.changed_by,
                }
            )
        )
        return 0
    print(f"edition {keyring.edition} of {keyring.changed_at} by {keyring.changed_by}")
    print(f"root key package {keyring.root_key_version}, signed by {', '.join(roots)}")
    for kid, state in states.items():
        print(f"  {kid:<24} {state}{f' ({keyring.key})' if kid == keyring.kid else ''}")
    return 0


def _create(site: Site, given: argparse.Namespace) -> int:
    from local.keys.changes import first
    from local.keys.roots import KeysError, Roots

    if site.roots is None:
        raise KeysError("--roots DIR is needed")
    if site.service.read() is not None:
        raise KeysError("the service has a keyring; change it with rotate or revoke")
    if given.root_kid:
        if len(set(given.root_kid)) < 2:
            raise KeysError("make at least two root keys, so that the loss of one is no disaster")
        Roots.generate(given.root_kid).save(site.roots)
    roots = Roots.load(site.roots)
    key = site.store.create(given.kid or f"{_VAULT_KEY}-1")
    site.service.publish(first(roots, key, _operator()), None)
    built_in = site.roots / "roots.json"
    built_in.write_text(json.dumps(roots.built_in(), indent=2))
    print(f"{key.kid} ({key.name}) signs; build agents with {built_in}")
    return 0


def _rotate(site: Site, given: argparse.Namespace) -> int:
    from local.keys.changes import next_kid, rotated

    keyring, etag = _current(site)
    roots = _roots(site)
    key = site.store.create(given.kid or next_kid(keyring))
    _publish(site, rotated(keyring, roots, key, _operator()), etag)
    print(f"{key.kid} ({key.name}) signs from now on; what is published is signed anew")
    return 0


def _revoke(site: Site, given: argparse.Namespace) -> int:
    from local.keys.changes import next_kid, revoked

    keyring, etag = _current(site)
    roots = _roots(site)
    kid = given.revoked or keyring.kid
    successor = None
    if kid == keyring.kid:
        successor = site.store.create(given.kid or next_kid(keyring))
    changed = revoked(keyring, roots, kid, successor, _operator())
    _publish(site, changed, etag)
    print(f"{kid} is revoked by root key package {changed.root_key_version}; {changed.kid} signs")
    return 0


def _refresh(site: Site, given: argparse.Namespace) -> int:
    from local.keys.changes import refreshed
    from local.keys.roots import KeysError

    if given.days is not None and given.days < 1:
        raise KeysError("--days must be at least 1")
    keyring, etag = _current(site)
    expires = int(time.time()) + given.days * 86_400 if given.days is not None else None
    changed = refreshed(keyring, _roots(site), expires, _operator())
    _publish(site, changed, etag)
    until = f"{given.days} days" if given.days is not None else "ever"
    print(f"root key package {changed.root_key_version} is good for {until}")
    return 0


def _resign(site: Site, given: argparse.Namespace) -> int:
    site.service.order_resigning()
    return 0


def _current(site: Site) -> tuple[Keyring, str]:
    from local.keys.roots import KeysError

    found = site.service.read()
    if found is None:
        raise KeysError("the service has no keyring yet; see ./odu keys create")
    return found


def _roots(site: Site) -> Roots:
    from local.keys.roots import KeysError, Roots

    if site.roots is None:
        raise KeysError("--roots DIR is needed")
    return Roots.load(site.roots)


def _publish(site: Site, keyring: Keyring, etag: str) -> None:
    from local.keys.service import encoded
    from local.stack.state import write_private

    site.service.publish(keyring, etag)
    if site.copy is not None:
        write_private(site.copy, encoded(keyring))
    site.service.order_resigning()


def _operator() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
