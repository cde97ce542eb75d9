"""One module a real thing; vendor SDKs are imported here only, and only when first used."""
