"""Read a handler's settings, with errors that name the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SettingError(ValueError):
    """A setting is wrong; the message names it."""


class Settings:
    """The members of one JSON object of settings."""

    def __init__(self, members: Mapping[str, Any], place: str = "") -> None:
        self._members = members
        self._place = place

    def number(self, name: str, default: float) -> float:
        """A number that is not negative."""
        value = self._members.get(name, default)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or value < 0:
            raise self._error(name, "a number that is not negative")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._members.get(name, default)
        if not isinstance(value, bool):
            raise self._error(name, "true or false")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A non-empty string, required without a default; an empty default may stay."""
        value = self._members.get(name, default)
        if not isinstance(value, str) or (not value and default != ""):
            raise self._error(name, "a non-empty string")
        return value

    def group(self, name: str) -> Settings:
        """An object of further settings, empty if absent."""
        value = self._members.get(name, {})
        if not isinstance(value, dict):
            raise self._error(name, "an object")
        return Settings(value, f"{self._place}{name}.")

    def texts(self, name: str) -> dict[str, str]:
        """An object of strings, empty if absent."""
        value = self._members.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise self._error(name, "an object of strings")
        return value

    def words(self, name: str, default: Sequence[str]) -> list[str]:
        """A command: an array of strings, the first of them not empty."""
        value = self._members.get(name, list(default))
        is_list = isinstance(value, list) and all(isinstance(word, str) for word in value)
        if not is_list or not value or not value[0]:
            raise self._error(name, "a command, as an array of words")
        return list(value)

    def items(self, name: str) -> list[Any]:
        """An array, empty if absent."""
        value = self._members.get(name, [])
        if not isinstance(value, list):
            raise self._error(name, "an array")
        return value

    def _error(self, name: str, wanted: str) -> SettingError:
        return SettingError(f"{self._place}{name} must be {wanted}")
