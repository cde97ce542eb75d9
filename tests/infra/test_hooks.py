"""The hooks of a deployment, run against a resource manager on loopback."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.infra.bicep.deployment import hook_parameters
from tests.infra.fake_azure import SUBSCRIPTION, FakeAzure, serving
from tests.infra.files import INFRA, Files

_HOOKS = ("secret.sh", "events.sh")
_OUTPUTS = {name: f"value of {name}" for name in hook_parameters().values()}
_GATEWAY_TIMEOUT = (504, "GatewayTimeout")
_NO_ROLE = (403, "AuthorizationFailed")


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[FakeAzure]:
    with serving(FakeAzure(), tmp_path) as found:
        yield found


def _run(
    hook: str, azure: FakeAzure, folder: Path, subscription: str = SUBSCRIPTION
) -> subprocess.CompletedProcess[str]:
    leftovers = folder / "temporary"
    leftovers.mkdir(exist_ok=True)
    done = subprocess.run(
        ["sh", INFRA / "hooks" / hook],
        env={
            **_OUTPUTS,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(leftovers),
            "ARM": azure.address,
            "AZURE_SUBSCRIPTION_ID": subscription,
            "AZURE_RESOURCE_GROUP": "rg-test",
            "KEY_VAULT_NAME": "kv-test",
            "AZURE_FUNCTION_NAME": "func-test",
            "HOOK_PAUSE_SECONDS": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(leftovers.iterdir()) == [], "a file with the secret was left"
    return done


def test_first_run_makes_a_key_and_then_lets_the_app_read_it(
    azure: FakeAzure, tmp_path: Path
) -> None:
    done = _run("secret.sh", azure, tmp_path)

    assert done.returncode == 0, done.stderr
    assert Fernet(azure.values["source-url-key"])
    assert azure.methods() == ["GET", "PUT", "POST"]
    put, post = azure.asked[-2:]
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test/providers"
    assert put.path.startswith(f"{group}/Microsoft.KeyVault/vaults/kv-test/secrets/source-url-key?")
    refresh = "config/configreferences/appsettings/refresh?"
    assert post.path.startswith(f"{group}/Microsoft.Web/sites/func-test/{refresh}")


def test_value_of_the_secret_is_in_no_command_and_no_output(
    azure: FakeAzure, tmp_path: Path
) -> None:
    done = _run("secret.sh", azure, tmp_path)

    shown = [done.stdout, done.stderr, *(word for item in azure.asked for word in item.words)]
    assert not any(azure.values["source-url-key"] in text for text in shown)


def test_second_run_leaves_the_key_alone(azure: FakeAzure, tmp_path: Path) -> None:
    _run("secret.sh", azure, tmp_path)
    kept = dict(azure.values)

    done = _run("secret.sh", azure, tmp_path)

    assert done.returncode == 0, done.stderr
    assert azure.values == kept
    assert [item.method for item in azure.asked].count("PUT") == 1


def test_key_is_found_on_a_later_page_of_the_list(azure: FakeAzure, tmp_path: Path) -> None:
    azure.pages = [["a"], ["b", "source-url-key"]]

    done = _run("secret.sh", azure, tmp_path)

    assert done.returncode == 0, done.stderr
    assert azure.methods() == ["GET", "GET", "POST"]


@pytest.mark.parametrize("refusal", [_GATEWAY_TIMEOUT, _NO_ROLE, (429, "TooManyRequests")])
def test_no_key_is_made_when_the_vault_could_not_be_asked(
    azure: FakeAzure, tmp_path: Path, refusal: tuple[int, str]
) -> None:
    azure.refusals = {"GET": [refusal]}

    done = _run("secret.sh", azure, tmp_path)

    assert done.returncode != 0
    assert refusal[1] in done.stderr
    assert azure.methods() == ["GET"]


def test_one_key_is_made_when_putting_it_times_out_after_it_is_stored(
    azure: FakeAzure, tmp_path: Path
) -> None:
    azure.refusals = {"PUT": [_GATEWAY_TIMEOUT, _GATEWAY_TIMEOUT]}
    azure.is_stored_when_refused = True

    done = _run("secret.sh", azure, tmp_path)

    assert done.returncode == 0, done.stderr
    assert azure.methods() == ["GET", "PUT", "PUT", "PUT", "POST"]
    put = [item.body["properties"]["value"] for item in azure.asked if item.method == "PUT"]
    assert len(set(put)) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_hook_stops_at_once_when_a_role_is_missing(
    azure: FakeAzure, tmp_path: Path, method: str
) -> None:
    azure.refusals = {method: [_NO_ROLE] * 9}

    done = _run("secret.sh", azure, tmp_path)

    assert done.returncode != 0
    assert "docs/deploy.md names the roles" in done.stderr
    assert azure.methods().count(method) == 1


@pytest.mark.parametrize("hook", _HOOKS)
def test_nothing_is_done_in_a_wrong_subscription(
    azure: FakeAzure, tmp_path: Path, hook: str
) -> None:
    done = _run(hook, azure, tmp_path, subscription="33333333-3333-3333-3333-333333333333")

    assert done.returncode != 0
    assert "is not signed in to the subscription 33333333" in done.stderr
    assert len(azure.asked) == 1


@pytest.mark.parametrize("hook", _HOOKS)
def test_every_call_of_az_names_the_subscription(
    azure: FakeAzure, tmp_path: Path, hook: str
) -> None:
    _run(hook, azure, tmp_path)

    for item in azure.asked:
        assert item.words[item.words.index("--subscription") + 1] == SUBSCRIPTION, item


def test_events_hook_hands_over_the_outputs_and_waits_for_the_functions(
    azure: FakeAzure, tmp_path: Path
) -> None:
    azure.refusals = {"PUT": [(400, "Destination endpoint not found")] * 2}

    done = _run("events.sh", azure, tmp_path)

    assert done.returncode == 0, done.stderr
    assert azure.methods() == ["PUT"] * 3
    [last] = azure.asked[-1:]
    assert last.path == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test/deployments/events"
    assert last.body["template"] == Files().read("modules/events.bicep")
    wanted = {name: _OUTPUTS[output] for name, output in hook_parameters().items()}
    assert last.body["parameters"] == {**wanted, "appName": "func-test"}


def test_events_hook_runs_again_without_harm(azure: FakeAzure, tmp_path: Path) -> None:
    assert [_run("events.sh", azure, tmp_path).returncode for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(("refusal", "tries"), [(_GATEWAY_TIMEOUT, 10), (_NO_ROLE, 1)])
def test_events_hook_gives_up_in_the_end(
    azure: FakeAzure, tmp_path: Path, refusal: tuple[int, str], tries: int
) -> None:
    azure.refusals = {"PUT": [refusal] * 20}

    done = _run("events.sh", azure, tmp_path)

    assert done.returncode != 0
    assert azure.methods() == ["PUT"] * tries


@pytest.mark.parametrize("hook", ["common", "secret", "events"])
def test_windows_asks_for_the_same(hook: str) -> None:
    """PowerShell is not here to run them: what both ask for is compared as text."""
    posix, windows = (
        Files().read(f"hooks/{hook}.{ending}").replace("`\n", "").replace("\\\n", "")
        for ending in ("sh", "ps1")
    )
    # the path of each request without its first word, which the two shells write differently
    asked = r"(/[\w/-]+\?api-version=[\d-]+)"
    assert set(re.findall(asked, windows)) == set(re.findall(asked, posix))
    tries = r"(?:patiently|Invoke-Patiently) (\d+)"
    assert re.findall(tries, windows) == re.findall(tries, posix)
    for call in re.findall(r"(?:^|[^\w'-])az (?:rest|account|deployment) [^\n]*", windows):
        assert "--subscription $env:AZURE_SUBSCRIPTION_ID" in call
