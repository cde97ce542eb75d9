"""What the steps of whole-system updates have alike, whatever kind of file they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.codes import Erc
from . import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from ..handlers import StepContext


def step_key(step: StepContext) -> str:
    """What is being installed: a step's folder has the same name in every run of its workflow."""
    return str(step.work_folder)


def criteria_of(step: StepContext, brings: str) -> str:
    """The step's installedCriteria; `brings` says what it is that needs them.

    Raises:
        ImageError: It has none.
    """
    criteria = step.step.installed_criteria
    if not criteria:
        raise ImageError(Erc.IMAGE_DESCRIPTION, f"a step with {brings} needs installedCriteria")
    return criteria


def only_file(step: StepContext, brings: str) -> Path:
    """The step's one file; `brings` says what it is.

    Raises:
        ImageError: It has none, or several.
    """
    if len(step.files) != 1:
        message = f"a step with {brings} has exactly one file"
        raise ImageError(Erc.SWUPDATE_WRONG_FILE_COUNT, message)
    return step.files[0].path
