"""Errors of the domain: what each is called, and what of it may be repeated."""

from __future__ import annotations

from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    DependencyFailed,
    DependencyRefused,
    DependencyThrottled,
    DeviceUpdateError,
    InvalidInput,
)


def test_error_has_the_code_of_its_kind_unless_it_has_one_of_its_own() -> None:
    kinds: list[type[DeviceUpdateError]] = [DeviceUpdateError, Conflict, ConcurrentUpdate]

    assert [kind("no").code for kind in kinds] == [kind.default_code for kind in kinds]
    assert InvalidInput("no", code="Odd").code == "Odd"


def test_error_keeps_what_it_is_made_of() -> None:
    inner, detail = Conflict("inside"), InvalidInput("a part")
    error = InvalidInput("no", target="/files/0", details=(detail,), inner=inner)

    assert (error.message, str(error), error.target) == ("no", "no", "/files/0")
    assert (error.details, error.inner) == ((detail,), inner)
    plain = InvalidInput("no")
    assert (plain.target, plain.details, plain.inner) == (None, (), None)


def test_what_is_echoed_is_cut_and_visible() -> None:
    error = InvalidInput("line\nbreak " + "x" * 100_000, target="/a\u202eb" + "y" * 100_000)

    assert "\n" not in error.message
    assert error.target is not None
    assert "\u202e" not in error.target
    assert len(error.message) < 10_000
    assert len(error.target) < 10_000


def test_failed_dependency_may_be_tried_again() -> None:
    inner = Conflict("inside")
    error = DependencyFailed("no", code="Odd", target="hub", inner=inner, retry_after=5.0)

    assert (error.code, error.target, error.inner) == ("Odd", "hub", inner)
    assert (error.retryable, error.retry_after) == (True, 5.0)
    plain = DependencyFailed("no")
    assert (plain.code, plain.target, plain.retry_after) == ("ServiceUnavailable", None, None)
    assert not DependencyFailed("no", retryable=False).retryable
    assert DependencyThrottled("no").code == "TooManyRequests"


def test_refused_request_is_never_tried_again() -> None:
    error = DependencyRefused("The hub says no.")

    assert (error.message, error.code, error.retryable) == ("The hub says no.", "Refused", False)


def test_errors_of_the_caller_are_not_tried_again() -> None:
    assert not InvalidInput("no").retryable
