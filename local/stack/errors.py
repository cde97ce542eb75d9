"""Reasons why the local stack cannot start or go on; each has an exit code of `./odu up`."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on."""

    exit_code = 1


class PortTaken(StackError):
    """The port asked for belongs to another program."""


class AlreadyRunning(StackError):
    """Another stack uses the same state directory."""

    exit_code = 4


class GaveUp(StackError):
    """A part of the stack crashed again and again."""

    exit_code = 5


class NotRunning(StackError):
    """There is no running stack in the given state directory."""
