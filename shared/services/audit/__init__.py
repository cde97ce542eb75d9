"""The audit log: writing it, reading it, proving it.

The hash chain itself is a rule of the domain. Every changing operation passes through `trail`.
"""
