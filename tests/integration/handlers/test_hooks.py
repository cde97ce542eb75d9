"""The hooks of a device: real programs, and those that come with the agent."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestError, ManifestUpdateId
from odu_agent.hooks import Hooks

from .steps import wait_until

SHIPPED = Path(__file__).parents[3] / "agent" / "hooks"
UPDATE = ManifestUpdateId("Contoso", "Toaster", "1.0")


def _write(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(mode)


def _ask(folder: Path, phase: str = "install", **limits: float) -> list[str]:
    """Ask until the answer is no longer to wait; return what it waited for."""
    waits: list[str] = []
    Hooks(folder, **limits).await_consent(phase, UPDATE, "w1", threading.Event(), waits.append)
    return waits


def _refusal(folder: Path, **limits: float) -> ManifestError:
    with pytest.raises(ManifestError) as refused:
        _ask(folder, **limits)
    return refused.value


def test_hooks_folder_that_is_absent_or_empty_lets_everything_go_on(tmp_path: Path) -> None:
    assert _ask(tmp_path / "none") == []
    assert _ask(tmp_path) == []


def test_hooks_are_told_what_is_about_to_happen_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("20-b", "10-a"):
        _write(
            tmp_path,
            name,
            f'echo "{name} $(env | grep ^ODU_ | grep -v STEP | sort | xargs)" >> told',
        )

    _ask(tmp_path, "apply")

    facts = "ODU_PHASE=apply ODU_UPDATE_NAME=Toaster ODU_UPDATE_PROVIDER=Contoso"
    facts += " ODU_UPDATE_VERSION=1.0 ODU_WORKFLOW_ID=w1"
    assert (tmp_path / "told").read_text().splitlines() == [f"10-a {facts}", f"20-b {facts}"]


def test_hook_that_says_not_now_is_asked_again(tmp_path: Path) -> None:
    _write(tmp_path, "window", "[ ! -e asked ] || exit 0; touch asked; echo at night; exit 75")

    assert _ask(tmp_path, wait_seconds=1) == ["window: at night"]


def test_hook_may_say_when_to_ask_again(tmp_path: Path) -> None:
    text = "[ ! -e asked ] || exit 0; touch asked; echo soon; echo retry-after 1; exit 75"
    _write(tmp_path, "window", text)

    assert _ask(tmp_path, wait_seconds=86400) == ["window: soon"]


def test_hook_that_waits_ends_with_a_cancel(tmp_path: Path) -> None:
    _write(tmp_path, "window", "echo at night; exit 75")
    waits: list[str] = []
    cancelled = threading.Event()
    hooks = Hooks(tmp_path, wait_seconds=86400)
    thread = threading.Thread(
        target=lambda: hooks.await_consent("install", UPDATE, "w1", cancelled, waits.append)
    )

    thread.start()
    wait_until(lambda: waits, "the hook was asked")
    cancelled.set()
    thread.join(30)

    assert not thread.is_alive()


def test_hook_may_refuse_the_update(tmp_path: Path) -> None:
    _write(tmp_path, "owner", "echo not on my ship; exit 77")

    error = _refusal(tmp_path)

    assert (error.erc, error.message) == (Erc.HOOK_REFUSED, "owner: not on my ship")


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("echo oops; exit 1", 0o755, "hook h: ended with exit code 1 (oops)"),
        ("sleep 1000", 0o755, "hook h: gave no answer within 0.2 s"),
        ("exit 0", 0o757, "hook h: may be changed by everybody"),
    ],
)
def test_hook_that_fails_fails_the_update(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    _write(tmp_path, "h", text, mode)

    error = _refusal(tmp_path, seconds=0.2 if "sleep" in text else 60)

    assert (error.erc, error.message) == (Erc.HOOK_FAILED, message)


def test_hooks_are_executable_files_with_plain_names_only(tmp_path: Path) -> None:
    for name, mode in {"README": 0o644, ".hidden": 0o755, "old~": 0o755}.items():
        _write(tmp_path, name, "exit 1", mode)
    (tmp_path / "folder").mkdir()

    assert _ask(tmp_path) == []


def _shipped(tmp_path: Path, name: str, **environment: object) -> Path:
    folder = tmp_path / "hooks.d"
    folder.mkdir()
    shutil.copy(SHIPPED / name, folder / f".{name}")
    sets = " ".join(f"{key}={value}" for key, value in environment.items())
    _write(folder, name, f'{sets} exec "./.{name}"')
    return folder


@pytest.mark.parametrize(
    ("window", "now", "is_open"),
    [
        ("22:00-05:30", "23:15", True),
        ("22:00-05:30", "05:29", True),
        ("22:00-05:30", "05:30", False),
        ("09:00-17:00", "08:59", False),
        ("09:00-17:00", "09:00", True),
        ("09:00-17:00", "17:00", False),
    ],
)
def test_maintenance_window_lets_updates_install_within_it(
    tmp_path: Path, window: str, now: str, is_open: bool
) -> None:
    (tmp_path / "window").write_text(
        f"WINDOW={window}\ndate() {{ echo {now.replace(':', '')}; }}\n"
    )
    folder = _shipped(tmp_path, "10-maintenance-window", ODU_WINDOW_FILE=tmp_path / "window")

    assert _first_answer(folder) == (
        "" if is_open else f"10-maintenance-window: the maintenance window is {window}"
    )
    assert _ask(folder, "download") == []


@pytest.mark.parametrize(
    ("supplies", "is_enough"),
    [
        ({}, True),
        ({"BAT0": {"type": "Battery", "capacity": "80"}}, True),
        ({"BAT0": {"type": "Battery", "capacity": "12"}}, False),
        (
            {
                "AC": {"type": "Mains", "online": "1"},
                "BAT0": {"type": "Battery", "capacity": "12"},
            },
            True,
        ),
    ],
)
def test_power_hook_waits_for_mains_or_charge(
    tmp_path: Path, supplies: dict[str, dict[str, str]], is_enough: bool
) -> None:
    for name, files in supplies.items():
        (tmp_path / "supplies" / name).mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / "supplies" / name / file).write_text(text)
    folder = _shipped(tmp_path, "20-power", ODU_POWER_FOLDER=tmp_path / "supplies")

    assert (_first_answer(folder) == "") is is_enough


@pytest.mark.parametrize(
    ("consent", "answer"),
    [("1.0", ""), ("0.9", "30-consent: waiting for consent to Toaster 1.0"), ("never", None)],
)
def test_consent_hook_waits_for_the_version_that_was_agreed_to(
    tmp_path: Path, consent: str, answer: str | None
) -> None:
    (tmp_path / "consent").write_text(consent)
    folder = _shipped(tmp_path, "30-consent", ODU_CONSENT_FILE=tmp_path / "consent")

    if answer is None:
        assert _refusal(folder).message == "30-consent: refused at the device"
    else:
        assert _first_answer(folder) == answer


def _first_answer(folder: Path) -> str:
    """What the hooks wait for when asked once, nothing if they let the update go on."""
    cancelled = threading.Event()
    waits: list[str] = []

    def on_wait(reason: str) -> None:
        waits.append(reason)
        cancelled.set()

    Hooks(folder).await_consent("install", UPDATE, "w1", cancelled, on_wait)
    return waits[0] if waits else ""
