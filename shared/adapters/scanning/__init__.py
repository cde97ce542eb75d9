"""Malware scanning by YARA rules in a child process that also opens containers.

The engine sees flat bytes only; `walker` finds them inside archives within fixed limits. Both run
in `worker`, a process without secrets in its environment, for they work on hostile input and hold
the interpreter for long. `scanner` is the service's side of it.
"""
