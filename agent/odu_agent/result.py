"""How a deployment ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .contract.codes import Erc

if TYPE_CHECKING:
    from .contract.twin import StepReport
    from .handlers import Restart
    from .workflow import Ended


@dataclass(frozen=True)
class DeploymentResult:
    """How a deployment ended, as it is reported.

    With `restart` it has not ended: it goes on once the device or the agent has been restarted, and
    nothing is reported until then.
    """

    ended: Ended
    result_code: int
    extended_result_codes: tuple[int, ...] = (Erc.NONE,)
    details: str | None = None
    steps: tuple[StepReport, ...] = ()
    restart: Restart | None = None
