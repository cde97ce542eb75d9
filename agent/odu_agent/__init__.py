"""The device agent of Open Device Update.

It follows the public twin contract of Device Update for IoT Hub: verify what the twin asks for,
download it, hand it to step handlers, report.
"""

from __future__ import annotations

from .agent import Agent
from .config import AgentConfig, ConfigError, load_config

__version__ = "0.1.0"

__all__ = ["Agent", "AgentConfig", "ConfigError", "__version__", "load_config"]
