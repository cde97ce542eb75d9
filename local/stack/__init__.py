"""The supervisor of the local stack: starts its parts, keeps them running and ends them.

It makes certificates and keys, provisions storage, and writes where everything is to `stack.json`.
Every child is leashed: it ends when the supervisor does.
"""
