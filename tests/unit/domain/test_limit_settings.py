"""Page size, limits and budgets as app settings."""

from __future__ import annotations

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.limits import Budget, Limits
from shared.settings import MAX_PAGE_SIZE, read_settings
from tests.builders.settings import environment


def test_limits_have_defaults() -> None:
    settings = read_settings(environment())

    assert (settings.page_size, settings.limits, settings.budget) == (100, Limits(), Budget())


def test_each_limit_has_a_setting_of_its_name() -> None:
    settings = read_settings(
        environment(
            API_PAGE_SIZE="7",
            LIMIT_FILE_BYTES="1",
            LIMIT_IMPORT_BYTES="2",
            LIMIT_FILES_PER_UPDATE="3",
            LIMIT_RUNNING_OPERATIONS="4",
            LIMIT_DEPLOYMENTS_PER_GROUP="5",
            LIMIT_DEVICES_WITHOUT_APPROVAL="6",
            LIMIT_NAMES_PER_COMPATIBILITY="7",
            LIMIT_NEW_CLASSES_PER_HOUR="8",
            REQUESTS_PER_MINUTE_READ="6",
            REQUESTS_PER_MINUTE_WRITE="7",
            REQUESTS_PER_MINUTE_DELETE="8",
        )
    )

    assert settings.page_size == 7
    assert settings.limits == Limits(1, 2, 3, 4, 5, 6, 7, 8)
    assert settings.budget == Budget(6, 7, 8)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "9" * 30, str(MAX_PAGE_SIZE + 1)])
def test_another_page_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="API_PAGE_SIZE must be a whole number from 1 to"):
        read_settings(environment(API_PAGE_SIZE=text))
