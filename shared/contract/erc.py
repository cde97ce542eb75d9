"""Extended result codes (ERC): their values, their text, and what they mean to a person.

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
    SWUPDATE_WRONG_FILE_COUNT = 0x30100103
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
    NOT_COMPATIBLE = 0x30400F01
    """Own code, in the steps component beyond the public agent's values: wrong hardware."""
    DOWNGRADE_REFUSED = 0x30400F02
    """Own code: a version below the highest one installed, on a device that refuses those."""
    PACKAGE_ROLLED_BACK = 0xA0000F01
    """Own code: a root key package older than the one in force."""
    PACKAGE_EXPIRED = 0xA0000F02
    """Own code: a root key package past its `expires`, such as one that is served for ever."""
    DOWNLOAD_TOO_LONG = 0x40200F01
    """Own code, simple HTTP downloader: more bytes than the manifest allows."""
    DOWNLOAD_TOO_SLOW = 0x40200F02
    """Own code, simple HTTP downloader: below the minimum rate or past the time-out."""
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


_AGAIN = "Retry the deployment; if it fails again, collect the device's logs."
_REPUBLISH = "Import the update again so that the service signs it anew, then deploy it."
_FIX_UPDATE = "Correct the update's import manifest and import it under a new version."
_FIX_PACKAGE = "Publish a well-formed root key package signed by all root keys."
_ROOTS = "Check that the device was built with the root keys of this service."

_KNOWN: dict[int, tuple[str, str]] = {
    Erc.NONE: ("No error.", "Nothing to do."),
    Erc.NO_MEMORY: ("The device ran out of memory.", _AGAIN),
    Erc.NO_SPACE: ("The device has no space left.", "Free space on the device, then retry."),
    Erc.HASH_EMPTY: ("The manifest names no hash for a file.", _FIX_UPDATE),
    Erc.HASH_TYPE_UNSUPPORTED: ("The device does not know the hash algorithm.", _FIX_UPDATE),
    Erc.HASH_WRONG: ("A file does not have the hash of the manifest.", _AGAIN),
    Erc.HANDLER_NOT_REGISTERED: (
        "The device has no handler for a step of the update.",
        "Install the handler on the device, or use a handler it has.",
    ),
    Erc.HANDLER_CANNOT_LOAD: (
        "The device could not load the handler of a step.",
        "Repair the handler's installation on the device.",
    ),
    Erc.HANDLER_DATA_MALFORMED: ("A step's data file is malformed.", _FIX_UPDATE),
    Erc.HANDLER_DOWNLOAD_EXCEPTION: ("A step's handler broke while downloading.", _AGAIN),
    Erc.HANDLER_INSTALL_EXCEPTION: ("A step's handler broke while installing.", _AGAIN),
    Erc.SWUPDATE_WRONG_FILE_COUNT: ("A SWUpdate step has too few files.", _FIX_UPDATE),
    Erc.APT_WRONG_FILE_COUNT: ("An APT step must have exactly one file.", _FIX_UPDATE),
    Erc.APT_NO_INSTALLED_CRITERIA: ("An APT step has no installedCriteria.", _FIX_UPDATE),
    Erc.APT_DOWNLOAD_FAILED: (
        "The packages could not be downloaded.",
        "Check the device's package sources, then retry.",
    ),
    Erc.APT_INSTALL_FAILED: (
        "The packages could not be installed.",
        "Look into the package manager's log on the device.",
    ),
    Erc.STEPS_FILE_MISSING: ("A step names a file that the update does not hold.", _FIX_UPDATE),
    Erc.STEPS_NESTED_REFERENCE: ("A child update refers to a further update.", _FIX_UPDATE),
    Erc.SCRIPT_NO_FILE_NAME: ("A script step has no scriptFileName.", _FIX_UPDATE),
    Erc.SCRIPT_NO_FILES: ("A script step has no files.", _FIX_UPDATE),
    Erc.SCRIPT_NOT_IN_FILES: ("The script is not among the step's files.", _FIX_UPDATE),
    Erc.SCRIPT_NO_RESULT_FILE: ("The script wrote no result file.", _FIX_UPDATE),
    Erc.SCRIPT_FAILURE_WITHOUT_CODE: ("The script failed without saying why.", _FIX_UPDATE),
    Erc.DOWNLOAD_EXCEPTION: (
        "A file could not be downloaded.",
        "Check the device's way to the content server, then retry.",
    ),
    Erc.DOWNLOAD_INVALID_FILE: ("The manifest's entry of a file cannot be used.", _FIX_UPDATE),
    Erc.DOWNLOAD_INVALID_URL: (
        "A file has no usable address.",
        "Deploy the update anew so that the device gets fresh addresses.",
    ),
    Erc.DOWNLOAD_HASH_TYPE_UNSUPPORTED: (
        "The device does not know the hash algorithm of a file.",
        _FIX_UPDATE,
    ),
    Erc.DOWNLOAD_NO_HASHES: ("The manifest names no hash for a file.", _FIX_UPDATE),
    Erc.DOWNLOAD_HASH_WRONG: (
        "A downloaded file does not have the hash of the manifest.",
        "Check the content server and any cache on the way, then retry.",
    ),
    Erc.DOWNLOAD_TOO_LONG: (
        "The server sent more bytes than the manifest allows.",
        "Check the content server and any cache on the way, then retry.",
    ),
    Erc.DOWNLOAD_TOO_SLOW: (
        "A download was too slow.",
        "Check the device's network, then retry; the download goes on where it stopped.",
    ),
    Erc.DOWNLOAD_REFUSED: (
        "The content server refused a file.",
        "The address may have expired: deploy the update anew.",
    ),
    Erc.MANIFEST_HASH_WRONG: (
        "The update manifest is not the one that was signed, or has no signature.",
        _REPUBLISH,
    ),
    Erc.UPDATE_ID_INVALID: ("The update manifest has no complete update id.", _REPUBLISH),
    Erc.MANIFEST_MISSING: ("The deployment came without an update manifest.", _AGAIN),
    Erc.MANIFEST_MALFORMED: ("The update manifest cannot be read.", _REPUBLISH),
    Erc.MANIFEST_VERSION_UNSUPPORTED: (
        "The device does not know this version of the update manifest.",
        "Update the agent on the device, or import the update with manifest version 4 or 5.",
    ),
    Erc.DETACHED_FILE_MISSING: ("The file of a detached manifest is not listed.", _REPUBLISH),
    Erc.DETACHED_BAD: ("A detached manifest is unfit.", _REPUBLISH),
    Erc.DETACHED_DOWNLOAD_FAILED: ("A detached manifest could not be downloaded.", _AGAIN),
    Erc.DETACHED_NOT_JSON: ("A detached manifest is not JSON.", _REPUBLISH),
    Erc.DETACHED_NO_MANIFEST: ("A detached manifest file holds no manifest.", _REPUBLISH),
    Erc.ACTION_UNDEFINED: ("The command names no known action.", _AGAIN),
    Erc.ROOT_KEY_PACKAGE_URL_MISSING: ("The command names no root key package.", _AGAIN),
    Erc.STEP_WITHOUT_HANDLER: ("A step of the update names no handler.", _FIX_UPDATE),
    Erc.STEP_WITHOUT_PROPERTIES: ("A step of the update has no handlerProperties.", _FIX_UPDATE),
    Erc.PACKAGE_SIGNATURE_MISSING: ("The root key package lacks a signature.", _FIX_PACKAGE),
    Erc.PACKAGE_ROOT_KEY_MISSING: (
        "The root key package lacks a root key that the device was built with.",
        _ROOTS,
    ),
    Erc.PACKAGE_SIGNATURE_WRONG: (
        "The root key package is not signed by the device's root keys.",
        _ROOTS,
    ),
    Erc.ROOT_KEY_UNKNOWN: ("The device does not know the root key.", _ROOTS),
    Erc.ROOT_KEY_DISABLED: ("The root key is disabled.", _REPUBLISH),
    Erc.DELTA_HASH_PROPERTIES_MISSING: ("A delta file does not name its source.", _FIX_UPDATE),
    Erc.DELTA_CACHE_MISS: (
        "The source of a delta was not on the device; the full file was used.",
        "Nothing to do.",
    ),
    Erc.PACKAGE_NOT_JSON: ("The root key package is not JSON.", _FIX_PACKAGE),
    Erc.SIGNING_KEY_DISABLED: ("The update was signed by a key that is disabled.", _REPUBLISH),
    Erc.PACKAGE_IS_PRODUCTION: ("A test device was given a production key package.", _ROOTS),
    Erc.PACKAGE_IS_TEST: ("A production device was given a test key package.", _ROOTS),
    Erc.PACKAGE_CHANGED: ("The device took over a new root key package.", "Nothing to do."),
    Erc.PACKAGE_UNCHANGED: ("The root key package is unchanged.", "Nothing to do."),
    Erc.PACKAGE_ROLLED_BACK: (
        "The root key package is older than the one the device has.",
        "Serve the newest root key package.",
    ),
    Erc.PACKAGE_EXPIRED: (
        "The root key package has expired.",
        "Publish a fresh one with ./odu keys refresh, and check the device's clock.",
    ),
    Erc.PACKAGE_DOWNLOAD_FAILED: (
        "The root key package could not be downloaded.",
        "Check the device's way to the content server, then retry.",
    ),
    Erc.JWS_BAD_STRUCTURE: ("The manifest's signature is malformed.", _REPUBLISH),
    Erc.JWS_INVALID_SIGNATURE: ("The manifest's signature is wrong.", _REPUBLISH),
    Erc.JWS_ROOT_KEY_DISABLED: ("The signing key's root key is disabled.", _REPUBLISH),
    Erc.JWS_ROOT_KEY_UNKNOWN: ("The signing key's root key is unknown to the device.", _ROOTS),
    Erc.JWS_ROOT_KEYS_INVALID: ("The device has no valid root key package.", _FIX_PACKAGE),
    Erc.NOT_COMPATIBLE: (
        "The update is not meant for this device.",
        "Deploy an update whose compatibility matches the device's properties.",
    ),
    Erc.DOWNGRADE_REFUSED: (
        "The update is older than the newest one the device has had.",
        "Deploy a newer version, or allow downgrades in the device's configuration.",
    ),
}

_FACILITIES: dict[int, tuple[str, str]] = {
    0x0: ("The device met a system error", _AGAIN),
    0x1: ("The agent's lower layer failed", _AGAIN),
    0x2: ("The agent was asked for a step out of order", _AGAIN),
    0x3: ("The handler of a step failed", "Look into the handler's log on the device."),
    0x4: ("A download failed", "Check the device's way to the content server, then retry."),
    0x5: ("The device's communication failed", _AGAIN),
    0x6: ("The agent's log upload failed", _AGAIN),
    0x7: ("The device's components could not be listed", "Check the component enumerator."),
    0x8: ("The agent could not use what it was sent", _REPUBLISH),
    0x9: ("A delta download failed", _AGAIN),
    0xA: ("The update could not be verified", _REPUBLISH),
    0xD: ("Delivery Optimization failed", "Check the device's network, then retry."),
}

_PACKAGE_MALFORMED = ("The root key package is malformed", _FIX_PACKAGE)
_SIGNATURE_REFUSED = ("The manifest's signature was refused", _REPUBLISH)
_ERROR_NUMBERS = 0x100
"""Below it, a code is an error number of the operating system."""
_SCRIPT_EXIT = ("The script ended with a failure", "Look into the script's log on the device.")


def describe_erc(code: int) -> tuple[str, str]:
    """Explain an extended result code: a plain sentence and the next step to take."""
    code &= 0xFFFFFFFF
    if code in _KNOWN:
        return _KNOWN[code]
    sentence, step = _general(code)
    return f"{sentence} (code {format_erc(code)}).", step


def counted_erc(code: int) -> int:
    """The code under which others like it are counted: itself where it is known, else the first of
    its kind, of which there are few.
    """
    code &= 0xFFFFFFFF
    if code in _KNOWN or code < _ERROR_NUMBERS:
        return code
    if code >> 20 in (0x805, 0xA02):
        return code & 0xFFF00000
    if _is_script_exit(code):
        return code & 0xFFFFF000
    return code & 0xF0000000 or 1


def _is_script_exit(code: int) -> bool:
    return code >> 20 in (0x305, 0x301) and code & 0xFF000 == 0x01000


def _general(code: int) -> tuple[str, str]:
    if code >> 20 == 0x805:
        return _PACKAGE_MALFORMED
    if code >> 20 == 0xA02:
        return _SIGNATURE_REFUSED
    if _is_script_exit(code):
        return _SCRIPT_EXIT
    return _FACILITIES.get(code >> 28, ("The device reported an unknown error", _AGAIN))
