"""The page on deployment names nothing that does not exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Set
from functools import cache

import pytest

from tests.infra import program
from tests.infra.bicep.deployment import MAIN, bicep_site
from tests.infra.bicep.syntax import declarations, parse
from tests.infra.files import Files
from tests.infra.profiles import given_to_bicep
from tests.infra.program import REPOSITORY
from tests.infra.terraform.deployment import FILES, terraform_site
from tests.infra.terraform.syntax import blocks

PAGE = (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8")
_MADE = {"dist/open-device-update.zip"}
"""What a command of the page makes."""
_PROGRAMS = {
    "./odu",
    "az",
    "azd",
    "eval",
    "head",
    "infra/hooks/events.sh",
    "infra/hooks/secret.sh",
    "python3",
    "rm",
    "terraform",
    "umask",
}


def _commands(page: str = PAGE) -> list[str]:
    """The commands of the fenced blocks, continued lines joined."""
    return [
        line.strip()
        for block in re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip()
    ]


def complaints(page: str) -> list[str]:
    """What the commands and the names of a page have that the repository has not."""
    asked = set(re.findall(r"\$\{(\w+)", Files().read("main.parameters.json")))
    found = [text for command in _commands(page) for text in _wrong_in(command, asked)]
    for path in re.findall(r"(?:\.github|infra|docs|tests|shared|dist)/[\w./-]*\w", page):
        if path not in _MADE and not (REPOSITORY / path).exists():
            found.append(f"no file {path}")
    return found + _unknown("azd", re.findall(r"`(ODU_\w+)`", page), asked)


def _wrong_in(command: str, asked: set[str]) -> list[str]:
    found = []
    if command.split()[0] not in _PROGRAMS:
        found.append(f"unknown program: {command}")
    if command.startswith("az ") and not _names_subscription(command):
        found.append(f"no subscription: {command}")
    found += _unknown("azd", re.findall(r"azd env set (\w+)", command), asked)
    found += _unknown("Terraform", re.findall(r"-var (\w+)=", command), _variables())
    if "deployment sub create" in command:
        found += _unknown("Bicep", re.findall(r" (\w+)=", command), _parameters())
    found += _unknown("the output", re.findall(r'"\$(\w+)"', command), _outputs())
    return found + (_options(command) if command.startswith("./odu ") else [])


def _unknown(who: str, names: list[str], known: Set[str]) -> list[str]:
    return [f"{who} knows no {name}" for name in names if name not in known]


def _parameters() -> Set[str]:
    return declarations(parse(Files().read(MAIN)), "parameter").keys()


def _variables() -> Set[str]:
    return {
        block.labels[0]
        for file in FILES
        for block in blocks(file, Files().read(file))
        if block.kind == "variable"
    }


def _names_subscription(command: str) -> bool:
    """Whether it is told where to work; some commands ask or set that themselves."""
    free = ("az login", "az account set", "az functionapp list-flexconsumption-")
    return "--subscription" in command or command.startswith(free)


@cache
def _outputs() -> frozenset[str]:
    bicep = bicep_site(given_to_bicep("prod", is_full=True)).deployed.outputs
    return frozenset(bicep)


def _options(command: str) -> list[str]:
    words = command.split()[1:]
    options = [word for word in words if word.startswith("--")]
    verbs = words[: words.index(options[0])] if options else words
    said = _help(tuple(verbs))
    return [f"./odu {' '.join(verbs)} has no {item}" for item in options if item not in said]


@cache
def _help(verbs: tuple[str, ...]) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "local.cli", *verbs, "--help"],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'cli'}",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


def test_page_names_only_what_exists() -> None:
    assert complaints(PAGE) == []


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("infra/hooks/secret.sh", "infra/hooks/secrets.sh", "no file infra/hooks/secrets.sh"),
        ("ODU_HUB_SYSTEM_IDENTITY true", "ODU_HUB_SYSTEM true", "azd knows no ODU_HUB_SYSTEM"),
        ("applicationClientId=register", "clientId=register", "Bicep knows no clientId"),
        ("-var code_deployed", "-var deployed", "Terraform knows no deployed"),
        ('"$AZURE_FUNCTION_NAME"', '"$FUNCTION_NAME"', "the output knows no FUNCTION_NAME"),
        ("--root-kid ACME.R1", "--root-key ACME.R1", "./odu keys create has no --root-key"),
        ("--subscription ID --name HUB", "--name HUB", "no subscription"),
    ],
)
def test_wrong_name_on_the_page_is_found(right: str, wrong: str, complaint: str) -> None:
    assert right in PAGE

    found = complaints(PAGE.replace(right, wrong))

    assert any(complaint in text for text in found), found


def test_page_has_every_parameter_with_its_way_through_azd() -> None:
    rows = re.findall(r"^\| (?:`(\w+)`|in the file) \| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    given = json.loads(Files().read("main.parameters.json"))["parameters"]

    assert [name for _, name, _ in rows] == list(given)
    for variable, name, default in rows:
        value = given[name]["value"]
        if variable:
            assert re.match(rf"\$\{{{variable}(=|\}}$)", value), name
        else:
            assert value in ([], {}), name
        if "=" in str(value) and value[value.index("=") + 1 : -1]:
            assert default == f"`{value[value.index('=') + 1 : -1]}`", name


@pytest.mark.parametrize("shell", ["sh", "powershell"])
def test_outputs_become_variables_of_the_shell(shell: str) -> None:
    given = {"apI_URL": {"type": "String", "value": "https://x"}, "odd": {"value": "it's"}}

    done = subprocess.run(
        [sys.executable, REPOSITORY / "infra/outputs.py", *(["--powershell"] * (shell != "sh"))],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )

    if shell == "powershell":
        assert done.stdout == "$env:API_URL = 'https://x'\n$env:ODD = 'it''s'\n"
        return
    read = subprocess.run(
        ["sh", "-c", f'{done.stdout}\nprintf \'%s %s\' "$API_URL" "$ODD"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == "https://x it's"


def test_hooks_find_their_variables_among_the_outputs_of_both_languages() -> None:
    needed = {
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_RESOURCE_GROUP",
        "KEY_VAULT_NAME",
        "AZURE_FUNCTION_NAME",
    }
    terraform = terraform_site(
        {
            "subscription_id": "2" * 36,
            "environment_name": "x",
            "location": "westeurope",
            "operator_principal_id": "nobody",
            "application_client_id": "register",
        }
    )

    assert needed <= _outputs()
    assert needed <= {name.upper() for name in terraform.deployed.outputs}


def test_page_counts_the_runs_of_the_timers() -> None:
    runs = sum(_runs_a_day(item) for item in program.named("timerTrigger", "schedule"))

    assert f"{runs:,} runs a day" in PAGE


def _runs_a_day(schedule: str) -> int:
    """How often a schedule of second, minute and hour comes in a day."""
    _, minute, hour, *_ = schedule.split()
    minutes = {"*": 60}.get(minute, 60 // int(minute[2:]) if minute.startswith("*/") else 1)
    return minutes * (24 if hour == "*" else 1)


def test_workflow_of_the_forge_names_only_what_exists() -> None:
    text = (REPOSITORY / ".github/workflows/infra.yml").read_text(encoding="utf-8")

    paths = re.findall(r"infra/[\w./-]*\w", text)
    assert paths
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []
    assert set(re.findall(r" (\w+)=\S", text.partition("--parameters")[2])) <= _parameters()
    assert all(re.search(r"@[0-9a-f]{40} # v", line) for line in re.findall(r"uses: .*", text))
