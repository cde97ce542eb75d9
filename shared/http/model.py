"""What the JSON objects of the REST API are made of."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

type Count = Annotated[int, Meta(ge=0)]


class Model(msgspec.Struct, rename="camel", omit_defaults=True):
    """Base of all: camelCase outside, absent members left out."""
