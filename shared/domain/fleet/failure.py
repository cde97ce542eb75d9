"""Why a device failed, in words: from the extended result codes that it reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.contract.codes import Erc, counted_erc, describe_erc, format_erc

_INFORMATIONAL = (Erc.NONE, Erc.DELTA_CACHE_MISS, Erc.PACKAGE_CHANGED, Erc.PACKAGE_UNCHANGED)
"""Codes that come with good results as well."""
_DOWNLOADERS = (0x4, 0x9, 0xD)
"""Facilities of downloaders, delta downloads and Delivery Optimization."""
_DOWNLOADS = (
    Erc.HANDLER_DOWNLOAD_EXCEPTION,
    Erc.APT_DOWNLOAD_FAILED,
    Erc.DETACHED_DOWNLOAD_FAILED,
)
_FILE_HASH = 0x001
_WITHOUT_CODE = ("The device failed without saying why.", "Collect the device's logs.")


@dataclass(frozen=True, slots=True)
class DeviceFailure:
    """`code` is an extended result code, eight hexadecimal digits."""

    code: str
    message: str
    next_step: str


def failure_of(codes: Sequence[int], refusal: str = "") -> DeviceFailure:
    """Explain a failure.

    Args:
        codes: The extended result codes, that of the whole update first.
        refusal: What the hub said where it refused the command.
    """
    failure = _explained(_primary_code(codes))
    return replace(failure, message=f"{failure.message} {refusal}") if refusal else failure


def counted_as(codes: Sequence[int]) -> str:
    """The code that such a failure is counted under: what a device may report is without bounds."""
    return format_erc(counted_erc(_primary_code(codes)))


def failure_counted_as(code: str) -> DeviceFailure:
    """Explain the failures that are counted under a code."""
    return _explained(int(code, 16))


def is_download_failure(codes: Sequence[int]) -> bool:
    """Whether a device has failed while it downloaded, before it changed anything."""
    code = _primary_code(codes)
    return code >> 28 in _DOWNLOADERS or code in _DOWNLOADS or code >> 20 == _FILE_HASH


def _primary_code(codes: Sequence[int]) -> int:
    return next((code for code in codes if code not in _INFORMATIONAL), 0)


def _explained(code: int) -> DeviceFailure:
    return DeviceFailure(format_erc(code), *(describe_erc(code) if code else _WITHOUT_CODE))
