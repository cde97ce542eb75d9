"""The subcommands of `./odu`, one module each.

A module has `main(arguments: list[str]) -> int`, which parses its own options and returns the exit
code. It is imported only when its command is given.
"""
