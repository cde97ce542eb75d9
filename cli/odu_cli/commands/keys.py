"""`odu keys`: the key that signs update manifests: show, first ceremony, rotation, revocation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from odu_cli.command import Needs, Session, command, command_group
from odu_cli.storage import check_address

if TYPE_CHECKING:
    from odu_cli.keys.site import KeySite
    from shared.domain.updates.keyring import Keyring

DEFAULT_KEY_NAME = "update-signing"
VAULT_VARIABLE = "SIGNING_VAULT_URL"

app = command_group(
    "The key that signs update manifests. Needs more than the REST API: the storage of the service "
    "and, with --azure, its key vault, both with your own identity.",
    "keys show",
    "keys create --azure --roots /media/usb/roots --root-kid ACME.R1 --root-kid ACME.R2",
    "keys rotate --azure --roots /media/usb/roots",
    "keys revoke --azure --roots /media/usb/roots",
)

_MEANINGS = {
    "good": "replaced by a rotation; devices still accept what it has signed",
    "revoked": "devices refuse what it has signed",
}
_CHANGES = {
    "first": "the first ceremony",
    "rotation": "a rotation: the key before it stays good",
    "revocation": "a revocation: devices refuse the key before it",
}

VaultOption = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar=VAULT_VARIABLE,
        help="Key vault of the signing key; needed with --azure.",
        rich_help_panel="Where",
    ),
]
RootsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder of the root keys; needed with --azure.", show_default=False
    ),
]
KidOption = Annotated[
    str | None,
    typer.Option(metavar="KID", help="Id of the new signing key; the next number by default."),
]
KeyNameOption = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the signing key in the vault.")
]


@command(app, "show", needs=Needs.STORAGE)
def show_keys(session: Session) -> None:
    """Show the keys and their state."""
    from odu_cli.keys.changes import disabled_kids

    keyring, _ = _site(session).current()
    disabled = disabled_kids(keyring)
    states = {
        kid: "revoked" if kid in disabled else "signs" if kid == keyring.kid else "good"
        for kid in keyring.key_hashes
    }
    roots = list(json.loads(keyring.root_key_package)["protected"]["rootKeys"])
    if session.output.is_json:
        session.output.document(
            {
                "edition": keyring.edition,
                "rootKeyPackageVersion": keyring.root_key_version,
                "rootKeys": roots,
                "signingKeys": states,
                "key": keyring.key,
                "lastChange": _last_change(keyring),
                "changedAt": keyring.changed_at,
                "changedBy": keyring.changed_by,
            }
        )
        return
    print(f"edition {keyring.edition} of {keyring.changed_at} by {keyring.changed_by}")
    print(f"root key package {keyring.root_key_version}, signed by {', '.join(roots)}")
    for kid, state in states.items():
        meaning = keyring.key if state == "signs" else _MEANINGS[state]
        print(f"  {kid:<24} {state} ({meaning})")
    print(f"the key in use came by {_CHANGES[_last_change(keyring)]}")


def _last_change(keyring: Keyring) -> str:
    """What brought the key in use: the first ceremony, a rotation or a revocation."""
    if keyring.edition == 1:
        return "first"
    return "revocation" if keyring.revoked_edition == keyring.edition else "rotation"


@command(app, "create", needs=Needs.STORAGE)
def create_keys(
    session: Session,
    *,
    root_kids: Annotated[
        list[str] | None,
        typer.Option(
            "--root-kid", metavar="KID", help="Make a root key with this id; at least two."
        ),
    ] = None,
    kid: KidOption = None,
    roots: RootsOption = None,
    vault: VaultOption = "",
    key_name: KeyNameOption = DEFAULT_KEY_NAME,
) -> None:
    """Hold the first ceremony of a deployed service."""
    site = _site(session, roots, vault, key_name)
    key, built_in = site.create(root_kids or [], kid)
    if session.output.is_json:
        session.output.document({"kid": key.kid, "key": key.name, "rootsFile": str(built_in)})
    session.output.done(f"{key.kid} ({key.name}) signs; build agents with {built_in}")


@command(app, "rotate", needs=Needs.STORAGE)
def rotate_key(
    session: Session,
    *,
    kid: KidOption = None,
    roots: RootsOption = None,
    vault: VaultOption = "",
    key_name: KeyNameOption = DEFAULT_KEY_NAME,
) -> None:
    """Sign with a new key; the old one stays good."""
    key = _site(session, roots, vault, key_name).rotate(kid)
    if session.output.is_json:
        session.output.document({"kid": key.kid, "key": key.name})
    session.output.done(f"{key.kid} ({key.name}) signs from now on; updates are signed anew")


@command(app, "revoke", needs=Needs.STORAGE)
def revoke_key(
    session: Session,
    revoked: Annotated[
        str | None,
        typer.Argument(
            metavar="KID", help="The key; the one in use by default.", show_default=False
        ),
    ] = None,
    *,
    kid: KidOption = None,
    roots: RootsOption = None,
    vault: VaultOption = "",
    key_name: KeyNameOption = DEFAULT_KEY_NAME,
) -> None:
    """Have devices refuse a key, and replace it if it is in use."""
    bad, keyring = _site(session, roots, vault, key_name).revoke(revoked, kid)
    version = keyring.root_key_version
    if session.output.is_json:
        session.output.document(
            {"revoked": bad, "kid": keyring.kid, "rootKeyPackageVersion": version}
        )
    session.output.done(f"{bad} is revoked by root key package {version}; {keyring.kid} signs")


@command(app, "refresh", needs=Needs.STORAGE)
def refresh_package(
    session: Session,
    *,
    days: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How long it is good; for ever by default."),
    ] = None,
    roots: RootsOption = None,
) -> None:
    """Publish a root key package that devices take for longer."""
    keyring = _site(session, roots).refresh(days)
    version = keyring.root_key_version
    if session.output.is_json:
        session.output.document({"rootKeyPackageVersion": version, "days": days})
    until = f"{days} days" if days is not None else "ever"
    session.output.done(f"root key package {version} is good for {until}")


@command(app, "resign", needs=Needs.STORAGE)
def order_resigning(session: Session) -> None:
    """Order again to sign anew what an older key signed."""
    _site(session).service.order_resigning()
    session.output.done("ordered; what is signed by the key in use stays as it is")


def _site(
    session: Session,
    roots: Path | None = None,
    vault: str | None = None,
    key_name: str = DEFAULT_KEY_NAME,
) -> KeySite:
    """Find everything; without `vault` no new signing key can be made."""
    from odu_cli.keys.service import Service
    from odu_cli.keys.signing_keys import KeyFolder, KeyVault, NoKeyStore
    from odu_cli.keys.site import KeySite
    from shared.domain.updates.keyring import KEYRING

    storage = session.storage.resolve()
    if not session.storage.is_azure:
        folder = Path(session.storage.stack().state) / "keys"
        return KeySite(
            service=Service(storage),
            store=KeyFolder(folder / "signing"),
            roots=roots or folder / "roots",
            copy=folder / KEYRING,
        )
    if vault is None:
        return KeySite(service=Service(storage), store=NoKeyStore(), roots=roots)
    check_address("--vault", vault, VAULT_VARIABLE)
    store = KeyVault(vault, storage.credential, key_name, {})
    return KeySite(service=Service(storage), store=store, roots=roots)
