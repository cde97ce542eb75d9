"""Whole-system images: two slots, of which one runs while the other is written.

`cpio`, `description`, `signature` and `swu` read a SWUpdate archive; `slots` writes an image and
reads it back; `boot` speaks to boot loaders; `switch` decides what may happen when, so that at any
moment, power cuts included, the device can start and says what is true; `trial` judges a new image
after its first start.
"""

from __future__ import annotations

from ..contract.manifest import ManifestError


class ImageError(ManifestError):
    """An image cannot be used, or not be put in place; `erc` is what the device reports."""
