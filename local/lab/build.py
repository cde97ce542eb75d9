"""Makes what the lab starts with: the system, its versions, and their signed archives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.lab.base import SUITE, system_image
from local.lab.disk import MIB
from local.lab.updates import Signer, SystemVersion, make_signer, make_version

if TYPE_CHECKING:
    from pathlib import Path

    from local.lab.checks import Checks, Say

FIRST, SECOND, THIRD, BROKEN, LAST = "1.0", "2.0", "3.0", "4.0", "5.0"


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that was made."""

    signer: Signer
    versions: dict[str, SystemVersion]


async def build(cache: Path, folder: Path, checks: Checks) -> Parts:
    """Make everything.

    Args:
        cache: Keeps the system that all versions have in common.
        folder: For everything else, 2 GB of it.
        checks: Told what is made.

    Raises:
        LabError: A part cannot be made.
    """
    signer = make_signer(folder)
    versions: dict[str, SystemVersion] = {}
    systems: list[Path] = []

    async def system(say: Say) -> str:
        image = await asyncio.to_thread(system_image, cache, say)
        systems.append(image)
        return f"Debian {SUITE}, {image.stat().st_size // MIB} MiB"

    async def archives(say: Say) -> str:
        for version in (FIRST, SECOND, THIRD, BROKEN, LAST):
            say(version)
            versions[version] = await asyncio.to_thread(
                make_version, systems[0], version, folder, signer, is_broken=version == BROKEN
            )
        size = versions[SECOND].archive.stat().st_size // MIB
        return f"{', '.join(versions)} ({BROKEN} is broken on purpose), {size} MiB each"

    await checks.run("the system with the agent is built", system)
    await checks.run("its versions are packed and signed", archives)
    return Parts(signer, versions)
