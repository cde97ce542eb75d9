"""The command `odu-agent`: run one agent until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from . import Agent, AgentConfig, ConfigError, __version__, load_config
from .redaction import RedactingFormatter

EXIT_BAD_CONFIG = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="odu-agent", description="Device agent of Device Update")
    parser.add_argument("--config", type=Path, required=True, help="path of du-config.json")
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING"])
    parser.add_argument("--version", action="version", version=f"odu-agent {__version__}")
    options = parser.parse_args(arguments)
    _log_to_stderr(options.log_level)
    try:
        config = load_config(options.config)
    except ConfigError as error:
        sys.stderr.write(f"odu-agent: {error}\n")
        return EXIT_BAD_CONFIG
    asyncio.run(_run(config))
    return 0


async def _run(config: AgentConfig) -> None:
    agent = Agent(config)
    loop = asyncio.get_running_loop()
    ending: set[asyncio.Task[None]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: ending.add(asyncio.create_task(agent.stop())))
    await agent.run()


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("odu_agent").setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
