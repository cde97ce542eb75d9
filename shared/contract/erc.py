"""Extended result codes (ERC): their values and how they are written.

An ERC is 32 bits, `facility(4) component(8) value(20)`, written as eight upper-case hex digits.
Values ending in Fnn are this product's own; the rest are those of the public agent.
"""

from __future__ import annotations

import re
from enum import IntEnum

_ERC_TEXT = re.compile(r"[0-9A-Fa-f]{8}(,[0-9A-Fa-f]{8})*")


class Erc(IntEnum):
    """Extended result codes that this product produces or explains."""

    NONE = 0x00000000
    NO_MEMORY = 0x0000000C
    NO_SPACE = 0x0000001C
    HASH_EMPTY = 0x00100001
    HASH_TYPE_UNSUPPORTED = 0x00100002
    HASH_WRONG = 0x00100003
    UNEXPECTED_STATE = 0x20000001
    INSTALL_UNEXPECTED_STATE = 0x20000002
    RESTORE_FAILED = 0x20000003
    HANDLER_CREATE_FAILED = 0x30000002
    HANDLER_NOT_REGISTERED = 0x30000003
    HANDLER_CANNOT_LOAD = 0x30000005
    HANDLER_DATA_MALFORMED = 0x30000068
    HANDLER_DOWNLOAD_EXCEPTION = 0x300000CA
    HANDLER_INSTALL_EXCEPTION = 0x30000130
    SWUPDATE_NO_FILE_NAME = 0x30100007
    SWUPDATE_NO_SWU_NAME = 0x30100008
    SWUPDATE_WRONG_FILE_COUNT = 0x30100103
    SWUPDATE_NO_RESULT_FILE = 0x30100205
    SWUPDATE_FAILURE_WITHOUT_CODE = 0x30100206
    APT_WRONG_FILE_COUNT = 0x30200004
    APT_NO_INSTALLED_CRITERIA = 0x30200007
    APT_DOWNLOAD_FAILED = 0x30200100
    APT_INSTALL_FAILED = 0x30200200
    STEPS_FILE_MISSING = 0x30400001
    STEPS_NESTED_REFERENCE = 0x30400009
    SCRIPT_NO_FILE_NAME = 0x30500005
    SCRIPT_NO_FILES = 0x30500102
    SCRIPT_NOT_IN_FILES = 0x30500103
    SCRIPT_NO_RESULT_FILE = 0x30500205
    SCRIPT_FAILURE_WITHOUT_CODE = 0x30500206
    DOWNLOAD_EXCEPTION = 0x40000005
    DOWNLOAD_INVALID_FILE = 0x40000006
    DOWNLOAD_INVALID_URL = 0x40000007
    DOWNLOAD_HASH_TYPE_UNSUPPORTED = 0x40000008
    DOWNLOAD_NO_HASHES = 0x4000000B
    DOWNLOAD_HASH_WRONG = 0x4000000C
    MANIFEST_HASH_WRONG = 0x80300001
    UPDATE_ID_INVALID = 0x80300003
    MANIFEST_MISSING = 0x80300008
    MANIFEST_MALFORMED = 0x80300009
    MANIFEST_VERSION_UNSUPPORTED = 0x8030000A
    DETACHED_FILE_MISSING = 0x8030000B
    DETACHED_BAD = 0x8030000C
    DETACHED_DOWNLOAD_FAILED = 0x8030000D
    DETACHED_NOT_JSON = 0x8030000E
    DETACHED_NO_MANIFEST = 0x8030000F
    ACTION_UNDEFINED = 0x80300010
    ROOT_KEY_PACKAGE_URL_MISSING = 0x80300011
    STEP_WITHOUT_HANDLER = 0x8040000C
    STEP_WITHOUT_PROPERTIES = 0x8040000D
    PACKAGE_VERSION = 0x80500004
    PACKAGE_PUBLISHED = 0x80500005
    PACKAGE_DISABLED_ROOT_KEYS = 0x80500006
    PACKAGE_HASH_ALG_MISSING = 0x80500007
    PACKAGE_SIGNATURE_ALG_MISSING = 0x80500008
    PACKAGE_HASH_MISSING = 0x80500009
    PACKAGE_DISABLED_SIGNING_KEYS = 0x8050000A
    PACKAGE_KEY_TYPE_MISSING = 0x8050000B
    PACKAGE_PROTECTED = 0x8050000D
    PACKAGE_SIGNATURES = 0x8050000E
    PACKAGE_ROOT_KEYS_EMPTY = 0x80500011
    PACKAGE_SIGNATURES_EMPTY = 0x80500012
    PACKAGE_MODULUS_MISSING = 0x80500013
    PACKAGE_HASH_ALG_UNSUPPORTED = 0x80500014
    PACKAGE_SIGNATURE_ALG_UNSUPPORTED = 0x80500015
    PACKAGE_KEY_TYPE_UNSUPPORTED = 0x80500018
    PACKAGE_MODULUS_MALFORMED = 0x80500019
    PACKAGE_EXPONENT = 0x8050001C
    PACKAGE_SIGNATURE_MISSING = 0x80600001
    PACKAGE_ROOT_KEY_MISSING = 0x80600003
    PACKAGE_SIGNATURE_WRONG = 0x80600004
    ROOT_KEY_UNKNOWN = 0x8060000B
    ROOT_KEY_DISABLED = 0x8060000D
    DELTA_HASH_PROPERTIES_MISSING = 0x90800003
    DELTA_CACHE_MISS = 0x90800008
    PACKAGE_NOT_JSON = 0xA0000001
    SIGNING_KEY_DISABLED = 0xA0000005
    PACKAGE_IS_PRODUCTION = 0xA0000006
    PACKAGE_IS_TEST = 0xA0000007
    PACKAGE_CHANGED = 0xA0000008
    PACKAGE_UNCHANGED = 0xA0000FFF
    PACKAGE_DOWNLOAD_FAILED = 0xA0100001
    JWS_FAILED = 0xA0200000
    JWS_BAD_STRUCTURE = 0xA0200002
    JWS_INVALID_SIGNATURE = 0xA0200004
    JWS_ROOT_KEY_DISABLED = 0xA0200005
    JWS_ROOT_KEY_UNKNOWN = 0xA0200006
    JWS_ROOT_KEYS_INVALID = 0xA0200007
    JWS_HEADER_ENCODING = 0xA0200008
    JWS_SIGNING_KEY_INVALID = 0xA0200009
    JWS_DISABLED_LIST_UNAVAILABLE = 0xA020000B
    JWS_SIGNING_KEY_UNBUILDABLE = 0xA020000C
    JWS_SIGNING_KEY_UNHASHABLE = 0xA020000D
    HOOK_REFUSED = 0x30000F01
    """Own code: a hook of the device refuses the update."""
    HOOK_FAILED = 0x30000F02
    """Own code: a hook of the device does not answer, or not with what a hook may answer."""
    IMAGE_ARCHIVE = 0x30100F01
    """Own codes, SWUpdate component, for images written by the agent itself: no fit archive."""
    IMAGE_DESCRIPTION = 0x30100F02
    """Own code: the sw-description cannot be used."""
    IMAGE_SIGNATURE = 0x30100F03
    """Own code: the sw-description is not signed by whom the device trusts."""
    IMAGE_HASH = 0x30100F04
    """Own code: an image does not have the hash of the sw-description."""
    IMAGE_HARDWARE = 0x30100F05
    """Own code: the archive is for other hardware."""
    IMAGE_TOO_LARGE = 0x30100F06
    """Own code: an image does not fit into its slot, or is longer than it says."""
    IMAGE_READ_BACK = 0x30100F07
    """Own code: the slot does not hold what was written into it."""
    IMAGE_FELL_BACK = 0x30100F08
    """Own code: the new image did not start; the device runs the old one."""
    IMAGE_UNHEALTHY = 0x30100F09
    """Own code: the new image failed its health check; the device runs the old one."""
    IMAGE_BOOT_CONTROL = 0x30100F0A
    """Own code: the boot loader's settings cannot be read or written."""
    IMAGE_NOT_CONFIGURED = 0x30100F0B
    """Own code: the device has no usable slots configured."""
    RAUC_FAILED = 0x30100F0C
    """Own code: RAUC could not install a bundle; the result details have its reason."""
    APT_DOWNGRADE_REFUSED = 0x30200F01
    """Own code: a package would get an older version, on a device that refuses those."""
    APT_PACKAGE_HELD = 0x30200F02
    """Own code: a package is held back by the device's administrator."""
    HUB_REFUSED_COMMAND = 0x50000F01
    """Own code, of the service: the IoT hub will never take the command for the device's twin."""
    MANIFEST_TOO_OLD = 0x30400F03
    """Own code: the update manifest was made longer ago than the device allows."""
    STEPS_RESTARTS_WITHOUT_END = 0x30400F04
    """Own code: a step asks for one restart after the other."""
    SCRIPT_TIMED_OUT = 0x30500F01
    """Own code: a script was ended because it took too long."""
    SCRIPT_API_VERSION = 0x30500F02
    """Own code: an `apiVersion` that no script has."""
    SCRIPT_RESULT_MALFORMED = 0x30500F03
    """Own code: a script's result file cannot be read."""
    ENUMERATOR_FAILED = 0x70000F01
    """Own code: the device's components could not be listed."""
    DELTA_NOT_APPLIED = 0x90A00F01
    """Own codes, delta processor: the delta could not be applied."""
    DELTA_TOO_DEMANDING = 0x90A00F02
    """Own code: the delta wants more memory than a device gives."""
    DELTA_RESULT_WRONG = 0x90A00F03
    """Own code: what the delta makes is not the file of the manifest."""
    NOT_COMPATIBLE = 0x30400F01
    """Own code, in the steps component beyond the public agent's values: wrong hardware."""
    DOWNGRADE_REFUSED = 0x30400F02
    """Own code: a version below the highest one installed, on a device that refuses those."""
    PACKAGE_ROLLED_BACK = 0xA0000F01
    """Own code: a root key package older than the one in force."""
    PACKAGE_EXPIRED = 0xA0000F02
    """Own code: a root key package past its `expires`, such as one that is served for ever."""
    PACKAGE_CHANGED_IN_PLACE = 0xA0000F03
    """Own code: another root key package with the version of the one in force."""
    PACKAGE_FROM_THE_FUTURE = 0xA0000F04
    """Own code: a root key package published later than the device's clock tells."""
    PACKAGE_DISABLES_ALL = 0xA0000F05
    """Own code: a root key package that disables every root key."""
    DOWNLOAD_TOO_LONG = 0x40200F01
    """Own code, simple HTTP downloader: more bytes than the manifest allows."""
    DOWNLOAD_TOO_SLOW = 0x40200F02
    """Own code, simple HTTP downloader: below the minimum rate or past the time-out."""
    DOWNLOAD_PORTAL = 0x40200F04
    """Own code, simple HTTP downloader: a web page came in place of the file."""
    INSTALLER_UNREACHABLE = 0x20000F01
    """Own code: the half of the agent that installs does not answer the other."""
    DOWNLOAD_REFUSED = 0x40200F03
    """Own code, simple HTTP downloader: the server refused (HTTP status 4xx or a redirect)."""


def format_erc(code: int) -> str:
    """Write one ERC as the twin does: eight upper-case hex digits."""
    return f"{code & 0xFFFFFFFF:08X}"


def parse_extended_result_codes(text: str) -> list[int]:
    """Read the comma-separated ERCs of `extendedResultCodes`; empty text is no code.

    Raises:
        ValueError: Anything but groups of eight hex digits.
    """
    if not text:
        return []
    if not _ERC_TEXT.fullmatch(text):
        raise ValueError("not a list of eight-digit extended result codes")
    return [int(part, 16) for part in text.split(",")]
