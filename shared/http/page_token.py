"""Page tokens: opaque to callers, and good only for the list, the instance and the query they are
from.
"""

from __future__ import annotations

import json

from shared.domain.errors import DependencyFailed, InvalidInput
from shared.ports import Sealer


def seal_token(sealer: Sealer, scope: str, token: str) -> str:
    """A token for the caller. `scope` names list, instance and query."""
    return sealer.seal(json.dumps([scope, token]))


def open_token(sealer: Sealer, scope: str, sealed: str | None) -> str | None:
    """The storage's token in a caller's; None for the first page.

    Raises:
        InvalidInput: It was not given out for this list.
    """
    if sealed is None:
        return None
    try:
        given_scope, token = json.loads(sealer.unseal(sealed))
    except (DependencyFailed, ValueError) as error:
        raise InvalidInput(
            "The page token is not one of this service's.", target="token"
        ) from error
    if given_scope != scope:
        raise InvalidInput("The page token belongs to another list.", target="token")
    return str(token)
