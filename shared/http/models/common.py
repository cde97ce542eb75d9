"""What every resource uses: errors, pages, names of updates."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

type UpdateName = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9.-]+$")]


type DeviceState = Literal["Succeeded", "InProgress", "Canceled", "Failed"]


type SubgroupState = Literal["Active", "Failed", "Inactive", "Canceled"]


type Count = Annotated[int, Meta(ge=0)]


ImportType = Literal["Devices", "Modules", "All"]
"""Which identities of the hub's registry to read again."""


class Model(msgspec.Struct, rename="camel", omit_defaults=True):
    """Base of all: camelCase outside, absent members left out."""


class ImportDevicesInput(Model):
    """The same as the managed service's command line sends it."""

    import_type: ImportType


class InnerError(Model):
    """A more specific cause of an error."""

    code: str
    message: str | None = None
    error_detail: str | None = None
    inner_error: InnerError | None = None


type Target = Annotated[
    str,
    Meta(
        description=(
            "What is at fault. A place in the body, or in an import manifest, is a JSON pointer "
            "(empty for all of it); anything else is a name: of a parameter of path or query, of a "
            "header, of a file of the update, of a limit."
        )
    ),
]


class Error(Model):
    """What went wrong."""

    code: str
    message: str
    target: Target | None = None
    details: list[Error] | None = None
    innererror: InnerError | None = msgspec.field(default=None, name="innererror")
    occurred_date_time: str | None = None


class ErrorResponse(Model):
    """Body of every answer that is an error."""

    error: Error


class Page[T](Model):
    """One page of a listing; `nextLink` leads to the following one."""

    value: list[T]
    next_link: str | None = None


class UpdateId(Model):
    """Identity of an update."""

    provider: UpdateName
    name: UpdateName
    version: Annotated[str, Meta(min_length=3, max_length=64, pattern=r"^\d+(?:\.\d+){1,3}$")]


class UpdateInfo(Model):
    """An update as others refer to it."""

    update_id: UpdateId
    description: str | None = None
    friendly_name: str | None = None
