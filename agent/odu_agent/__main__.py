"""The command `odu-agent`: run one agent, its installing half, or look why it does not work."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import Agent, AgentConfig, ConfigError, __version__, load_config
from .handlers import Restart
from .redaction import RedactingFormatter

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_BAD_CONFIG = 2
DEFAULT_CONFIG = Path("/etc/adu/du-config.json")
_EPILOG = """\
commands:
  run        follow the hub (the default); installs by itself, or has it done by the installing half
             where the setting installerSocket says so
  installer  the installing half: takes orders over the local socket, runs privileged
  trial      judge a new image after its first start, and leave it if it is not healthy
  check      explain what is wrong with configuration, connection or trust, and what to do
"""

logger = logging.getLogger("odu_agent")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    _log_to_stderr(options.log_level)
    if options.command == "check":
        from .check import check

        return check(options.config, sys.stdout)
    try:
        config = load_config(options.config)
    except ConfigError as error:
        sys.stderr.write(f"odu-agent: {error}\n")
        return EXIT_BAD_CONFIG
    if options.root is not None:
        config = replace(config, root=options.root)
    if options.command == "installer":
        from .halves.server import run_installer

        return run_installer(config)
    if options.command == "trial":
        from .images.judge import run_trial

        return run_trial(config)
    return _follow(config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="odu-agent",
        description="Device agent of Open Device Update",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        default="run",
        choices=["run", "installer", "trial", "check"],
        metavar="command",
    )
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help=f"default: {DEFAULT_CONFIG}"
    )
    parser.add_argument("--root", type=Path, help="file system to update instead of /")
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING"])
    parser.add_argument("--version", action="version", version=f"odu-agent {__version__}")
    return parser


def _follow(config: AgentConfig) -> int:
    if config.installer_socket is None:
        logger.info("one process talks to the network and installs; installerSocket separates them")
    restarts: list[Restart] = []
    asyncio.run(_run(config, restarts))
    if Restart.AGENT in restarts:
        logger.info("the agent restarts, as the update asks for")
        os.execv(sys.executable, [sys.executable, "-m", __package__, *sys.argv[1:]])  # noqa: S606
    return 0


async def _run(config: AgentConfig, restarts: list[Restart]) -> None:
    loop = asyncio.get_running_loop()
    ending: set[asyncio.Task[None]] = set()

    def stop() -> None:
        ending.add(asyncio.ensure_future(agent.stop()))

    def restart(wanted: Restart) -> None:
        if wanted is Restart.AGENT:
            restarts.append(wanted)
            loop.call_soon_threadsafe(stop)
        elif config.installer_socket is None:
            from .reboot import restart_device

            restart_device(config)

    agent = Agent(config, restart=restart)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await agent.run()


def _log_to_stderr(level: str) -> None:
    # The journal has times of its own.
    clock = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(clock + "%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("odu_agent").setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
