"""Page tokens: opaque to callers, and good only for who was given one, for a day, for the list, the
instance and the query that it is from.

They are sealed with the key that all processes of the service share, so any of them opens a token,
also after a restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.errors import DependencyFailed, InvalidInput
from shared.ports import Sealer

LIFETIME = timedelta(days=1)
_TARGET = "token"


@dataclass(frozen=True, slots=True)
class PageTokens:
    """Gives tokens to one caller for one list, and reads them again.

    `scope` names list, instance and query; `caller` is the object id of who asks; `now` is the time
    in ISO 8601.
    """

    sealer: Sealer
    scope: str
    caller: str
    now: str

    def seal(self, token: str) -> str:
        """A token for the caller that stands for one of the storage."""
        ends = (datetime.fromisoformat(self.now) + LIFETIME).isoformat()
        return self.sealer.seal(json.dumps([self.scope, self.caller, ends, token]))

    def open(self, sealed: str | None) -> str | None:
        """The storage's token in a caller's; None for the first page.

        Raises:
            InvalidInput: It was not given to this caller for this list, or its time is over.
        """
        if sealed is None:
            return None
        try:
            scope, caller, ends, token = json.loads(self.sealer.unseal(sealed))
            is_over = datetime.fromisoformat(self.now) >= datetime.fromisoformat(ends)
        except (DependencyFailed, ValueError, TypeError) as error:
            raise InvalidInput(
                "The page token is not one of this service's.", target=_TARGET
            ) from error
        if scope != self.scope:
            raise InvalidInput("The page token belongs to another list.", target=_TARGET)
        if caller != self.caller:
            raise InvalidInput("The page token was given to another caller.", target=_TARGET)
        if is_over:
            message = "The page token has expired: begin again with the first page."
            raise InvalidInput(
                message, target=_TARGET, inner=InvalidInput(message, code="PageTokenExpired")
            )
        return str(token)
