"""What extended result codes (ERC) mean to a person, and which are counted as one."""

from __future__ import annotations

from .erc import Erc, format_erc

_AGAIN = "Retry the deployment; if it fails again, collect the device's logs."
_REPUBLISH = "Import the update again so that the service signs it anew, then deploy it."
_FIX_UPDATE = "Correct the update's import manifest and import it under a new version."
_FIX_PACKAGE = "Publish a well-formed root key package signed by all root keys."
_NOTHING = "Nothing to do."
_SCRIPT_LOG = "Look into the script's log on the device."
_PACKAGE_WAY = (
    "Check the device's way to the service's own address, not that of the content; then retry."
)
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
    Erc.DOWNLOAD_PORTAL: (
        "A web page came in place of a file.",
        "Sign the device's network in at its captive portal, or let the proxy pass it, then retry.",
    ),
    Erc.INSTALLER_UNREACHABLE: (
        "The half of the agent that installs does not answer.",
        "Look at systemctl status odu-agent-installer.socket on the device, then retry.",
    ),
    Erc.DOWNLOAD_REFUSED: (
        "The content server refused a file.",
        "Read the device's details: after 401 or 403 retry, which brings new links; after 404 or "
        "410 import the update again, for its content is gone.",
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
    Erc.PACKAGE_CHANGED_IN_PLACE: (
        "The root key package was changed without a new version.",
        "Publish root key packages with ./odu keys alone, which counts versions.",
    ),
    Erc.PACKAGE_FROM_THE_FUTURE: (
        "The root key package is of the future.",
        "Check the device's clock, and that of the machine that made the package.",
    ),
    Erc.PACKAGE_DISABLES_ALL: (
        "The root key package disables every root key.",
        "Publish a root key package that leaves one root key in force.",
    ),
    Erc.PACKAGE_DOWNLOAD_FAILED: (
        "The root key package could not be downloaded.",
        _PACKAGE_WAY,
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
    Erc.SWUPDATE_NO_FILE_NAME: ("A SWUpdate step has no scriptFileName.", _FIX_UPDATE),
    Erc.SWUPDATE_NO_SWU_NAME: ("A SWUpdate step has no swuFileName.", _FIX_UPDATE),
    Erc.SWUPDATE_NO_RESULT_FILE: ("The script wrote no result file.", _FIX_UPDATE),
    Erc.SWUPDATE_FAILURE_WITHOUT_CODE: ("The script failed without saying why.", _FIX_UPDATE),
    Erc.HOOK_REFUSED: (
        "A hook of the device refuses the update.",
        "The hook's reason is in the result details; ask whoever is responsible for the device.",
    ),
    Erc.HOOK_FAILED: (
        "A hook of the device failed.",
        "Repair the hook in /etc/adu/hooks.d on the device, then retry.",
    ),
    Erc.IMAGE_ARCHIVE: ("The image's archive is damaged.", _FIX_UPDATE),
    Erc.IMAGE_DESCRIPTION: ("The image's sw-description cannot be used.", _FIX_UPDATE),
    Erc.IMAGE_SIGNATURE: (
        "The image is not signed by whom the device trusts.",
        "Sign the image with the key whose certificate is on the device.",
    ),
    Erc.IMAGE_HASH: ("An image does not have the hash of its sw-description.", _FIX_UPDATE),
    Erc.IMAGE_HARDWARE: (
        "The image is for other hardware.",
        "Deploy an image whose hardware-compatibility names the device's board and revision.",
    ),
    Erc.IMAGE_TOO_LARGE: ("The image does not fit into the device's slot.", _FIX_UPDATE),
    Erc.IMAGE_READ_BACK: (
        "The device's storage does not hold what was written.",
        "Retry; if it fails again, the storage is worn out.",
    ),
    Erc.IMAGE_FELL_BACK: (
        "The new image did not start; the device runs the old one again.",
        "Look into the image's boot log, then deploy a corrected image.",
    ),
    Erc.IMAGE_UNHEALTHY: (
        "The new image failed its health check; the device runs the old one again.",
        "The failed check is in the result details; deploy a corrected image.",
    ),
    Erc.IMAGE_BOOT_CONTROL: (
        "The boot loader's settings cannot be read or written.",
        "Check bootControl in the device's configuration.",
    ),
    Erc.IMAGE_NOT_CONFIGURED: (
        "The device has no slots for images.",
        "Configure slots and bootControl on the device.",
    ),
    Erc.RAUC_FAILED: (
        "RAUC could not install the bundle.",
        "RAUC's reason is in the result details; its journal on the device says more.",
    ),
    Erc.APT_DOWNGRADE_REFUSED: (
        "The update would make a package older, which the device refuses.",
        "Deploy newer packages, or allow downgrades in the device's configuration.",
    ),
    Erc.APT_PACKAGE_HELD: (
        "A package of the update is held on the device.",
        "Release it on the device with apt-mark unhold, then retry.",
    ),
    Erc.MANIFEST_TOO_OLD: (
        "The update was made longer ago than the device allows.",
        "Import the update again, and check the device's clock.",
    ),
    Erc.STEPS_RESTARTS_WITHOUT_END: (
        "A step is still not installed after several restarts.",
        "Correct how the step tells that it is installed, and import it under a new version.",
    ),
    Erc.SCRIPT_TIMED_OUT: ("The script took too long and was ended.", _SCRIPT_LOG),
    Erc.SCRIPT_API_VERSION: ("A script step has an unknown apiVersion.", _FIX_UPDATE),
    Erc.SCRIPT_RESULT_MALFORMED: ("The script's result file cannot be read.", _FIX_UPDATE),
    Erc.HUB_REFUSED_COMMAND: (
        "The IoT hub refused to put the command into the device's twin.",
        "Read the reason at the device: remove what else fills its desired properties, or deploy "
        "an update with fewer files; then retry.",
    ),
    Erc.ENUMERATOR_FAILED: (
        "The device's components could not be listed.",
        "Check the component enumerator on the device.",
    ),
    Erc.DELTA_NOT_APPLIED: ("A delta could not be applied; the full file was used.", _NOTHING),
    Erc.DELTA_TOO_DEMANDING: ("A delta wants too much memory; the full file was used.", _NOTHING),
    Erc.DELTA_RESULT_WRONG: ("A delta makes another file; the full file was used.", _NOTHING),
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

_PACKAGE_UNREACHABLE = (
    "The root key package could not be downloaded",
    _PACKAGE_WAY,
)
_LINK_EXPIRED = "Retry the deployment: the retry brings new links."
_FILE_GONE = "Import the update again, for its content is gone, then deploy it."
_REFUSED_LINKS: dict[int, tuple[str, str]] = {
    0xD0190191: ("The content server refused the link to a file (status 401)", _LINK_EXPIRED),
    0xD0190193: ("The content server refused the link to a file (status 403)", _LINK_EXPIRED),
    0xD0190194: ("The content server does not have a file (status 404)", _FILE_GONE),
    0xD019019A: ("The content server no longer has a file (status 410)", _FILE_GONE),
}
"""As Delivery Optimization reports HTTP statuses: 0xD0000000 and the HRESULT's lower bits."""
_PACKAGE_MALFORMED = ("The root key package is malformed", _FIX_PACKAGE)
_SIGNATURE_REFUSED = ("The manifest's signature was refused", _REPUBLISH)
_ERROR_NUMBERS = 0x100
"""Below it, a code is an error number of the operating system."""
_SCRIPT_EXIT = ("The script ended with a failure", _SCRIPT_LOG)


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
    if code in _REFUSED_LINKS:
        return code
    if code >> 20 in (0x805, 0xA01, 0xA02):
        return code & 0xFFF00000
    if _is_script_exit(code):
        return code & 0xFFFFF000
    return code & 0xF0000000 or 1


def _is_script_exit(code: int) -> bool:
    return code >> 20 in (0x305, 0x301) and code & 0xFF000 == 0x01000


def _general(code: int) -> tuple[str, str]:
    if code in _REFUSED_LINKS:
        return _REFUSED_LINKS[code]
    if code >> 20 == 0x805:
        return _PACKAGE_MALFORMED
    if code >> 20 == 0xA01:
        return _PACKAGE_UNREACHABLE
    if code >> 20 == 0xA02:
        return _SIGNATURE_REFUSED
    if _is_script_exit(code):
        return _SCRIPT_EXIT
    return _FACILITIES.get(code >> 28, ("The device reported an unknown error", _AGAIN))
