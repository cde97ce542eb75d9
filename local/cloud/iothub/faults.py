"""Switches that make the hub misbehave on purpose, for tests of its clients."""

from __future__ import annotations

from dataclasses import dataclass

from local.cloud.iothub.errors import HubError, throttled
from local.cloud.iothub.limits import Meter


@dataclass(slots=True)
class Faults:
    """What goes wrong next."""

    failing_patches: int = 0
    """How many of the next twin changes fail."""
    failure_status: int = 500

    def check_twin_change(self) -> None:
        """Fail if the next twin change has to.

        Raises:
            HubError: 429 or 500.
        """
        if self.failing_patches <= 0:
            return
        self.failing_patches -= 1
        if self.failure_status == 429:
            raise throttled(Meter.TWIN_UPDATES, 1)
        raise HubError(self.failure_status, "ServerError", "This failure was asked for.")
