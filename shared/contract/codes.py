"""The numbers of the twin contract: states, actions, results and extended result codes."""

from __future__ import annotations

from enum import IntEnum

from .erc import Erc, format_erc, parse_extended_result_codes
from .erc_meaning import counted_erc, describe_erc

__all__ = [
    "Action",
    "AgentState",
    "Erc",
    "ResultCode",
    "counted_erc",
    "describe_erc",
    "format_erc",
    "parse_extended_result_codes",
]


class AgentState(IntEnum):
    """The states that reach the cloud (`agent.state`)."""

    IDLE = 0
    DEPLOYMENT_IN_PROGRESS = 6
    FAILED = 255


class Action(IntEnum):
    """What the service asks for (`service.workflow.action`)."""

    PROCESS_DEPLOYMENT = 3
    CANCEL = 255


class ResultCode(IntEnum):
    """Results of a workflow or step; above zero is success."""

    CANCELLED = -1
    FAILURE = 0
    SUCCESS = 1
    CACHE_MISS = 2
    IDLE_SUCCESS = 200
    DOWNLOAD_SUCCESS = 500
    DOWNLOAD_IN_PROGRESS = 501
    DOWNLOAD_SKIPPED_FILE_EXISTS = 502
    DOWNLOAD_SKIPPED_INSTALLED = 503
    DOWNLOAD_SKIPPED_NO_COMPONENT = 504
    DOWNLOAD_HANDLER_SUCCESS = 520
    DOWNLOAD_HANDLER_FULL_DOWNLOAD = 521
    INSTALL_SUCCESS = 600
    INSTALL_IN_PROGRESS = 601
    INSTALL_SKIPPED_INSTALLED = 603
    INSTALL_SKIPPED_NO_COMPONENT = 604
    INSTALL_REBOOT_NOW = 605
    INSTALL_REBOOT_LATER = 606
    INSTALL_RESTART_NOW = 607
    INSTALL_RESTART_LATER = 608
    APPLY_SUCCESS = 700
    APPLY_IN_PROGRESS = 701
    APPLY_REBOOT_NOW = 705
    APPLY_REBOOT_LATER = 706
    APPLY_RESTART_NOW = 707
    APPLY_RESTART_LATER = 708
    CANCEL_SUCCESS = 800
    CANCEL_UNABLE = 801
    INSTALLED = 900
    NOT_INSTALLED = 901
    BACKUP_SUCCESS = 1000
    BACKUP_UNSUPPORTED = 1001
    BACKUP_IN_PROGRESS = 1002
    RESTORE_SUCCESS = 1100
    RESTORE_UNSUPPORTED = 1101
    RESTORE_IN_PROGRESS = 1102
    RESTORE_REBOOT_NOW = 1105
    RESTORE_REBOOT_LATER = 1106
    RESTORE_RESTART_NOW = 1107
    RESTORE_RESTART_LATER = 1108
    ROOT_KEY_PACKAGE_CURRENT = 1200
