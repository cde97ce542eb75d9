"""A token issuer in the shape of Microsoft Entra ID: discovery, keys, tokens, sign-in.

It knows the roles by their names alone.
"""
