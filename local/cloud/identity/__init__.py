"""A token issuer in the shape of Microsoft Entra ID, for one machine."""
