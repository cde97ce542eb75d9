"""Record the store of this release: `python -m tests.stored tests/data/stored/<version>`.

Run it before a release, from its checkout. The folder is opened by every later one:
`tests/e2e/test_stored.py` takes each folder of `tests/data/stored`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from local.rest import Rest
from local.stack.running import Stack, start
from tests.product import Product
from tests.sources import Sources
from tests.stored.answers import all_answers
from tests.stored.recording import INSTANCES, Line, recorded
from tests.stored.story import tell


async def _told(stack: Stack, folder: Path) -> list[Line]:
    """Do the story; what REST says in the end."""
    stacks = [stack.of(instance) for instance in INSTANCES]
    async with Sources() as sources, Rest(stacks[0]) as first, Rest(stacks[1]) as second:
        rests = (first, second)
        products = [
            Product(one, rest, sources, folder) for one, rest in zip(stacks, rests, strict=True)
        ]
        await tell(*products)
        return [
            {"instance": rest.instance, "path": path, "answer": answer}
            for rest in rests
            async for path, answer in all_answers(rest)
        ]


def main(target: Path) -> None:
    """Record into a folder."""
    with tempfile.TemporaryDirectory(prefix="odu-recording-") as name:
        folder = Path(name)
        with start(folder / "state", options=["--instance", INSTANCES[1]]) as stack:
            answers = asyncio.run(_told(stack, folder))
        recording = asyncio.run(recorded(folder / "state", answers))
    recording.write(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
