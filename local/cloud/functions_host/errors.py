"""The errors of the host: what keeps it from starting, and what is wrong with a request to it."""

from __future__ import annotations


class HostError(Exception):
    """Root of the errors that the host raises itself."""


class StartError(HostError):
    """The app, its settings or the host's files do not allow a start; the message says why.

    `details` are lines for the author of the app, such as the traceback of a failed import.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class BadDelivery(HostError):
    """A webhook delivery does not have the form that its protocol prescribes."""
