"""Print the outputs of a deployment as settings of the shell, from JSON on standard input.

It takes what `az deployment sub show --query properties.outputs` and `terraform output -json`
print. The resource manager changes the case of names (API_URL becomes apI_URL): all are printed
in capitals.
"""

import json
import sys


def main() -> None:
    """Read all, write all; with `--powershell` for that shell."""
    is_windows = sys.argv[1:] == ["--powershell"]
    for name, output in json.load(sys.stdin).items():
        value = str(output["value"])
        if is_windows:
            quoted = "'" + value.replace("'", "''") + "'"
            sys.stdout.write(f"$env:{name.upper()} = {quoted}\n")
        else:
            quoted = "'" + value.replace("'", "'\\''") + "'"
            sys.stdout.write(f"export {name.upper()}={quoted}\n")


if __name__ == "__main__":
    main()
