"""The steps of a deployment: components, restarts, and what each step is told."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from odu_agent.components import FileEnumerator, load_enumerator
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import (
    ManifestError,
    ManifestFile,
    ManifestStep,
    ManifestUpdateId,
    UpdateManifest,
    detached_document,
)
from odu_agent.deployment import Deployment, DeploymentTools
from odu_agent.fetching import Wanted
from odu_agent.handlers import Component, Restart, StepContext, StepResult
from odu_agent.result import DeploymentResult
from odu_agent.workflow import Command, Ended

from .fixtures import config, file_of

NORMAL = {"download": 500, "backup": 1000, "install": 600, "apply": 700, "restore": 1100}


class Recorder:
    """A handler that writes down what it is asked and answers as it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.installed: set[str] = set()
        self.answers: dict[str, dict[str, int]] = defaultdict(dict)
        self.on_call: Callable[[str, StepContext], None] = lambda action, step: None

    def is_installed(self, step: StepContext) -> StepResult:
        if "is_installed" in self.answers[_label(step)]:
            return StepResult(self.answers[_label(step)]["is_installed"])
        return StepResult(900 if _label(step) in self.installed else 901)

    def __getattr__(self, action: str) -> Callable[[StepContext], StepResult]:
        def act(step: StepContext) -> StepResult:
            self.calls.append(f"{action} {_label(step)}")
            self.on_call(action, step)
            code = self.answers[_label(step)].get(action, NORMAL.get(action, 800))
            if action == "apply" and code == 700:
                self.installed.add(_label(step))
            return StepResult(code)

        return act


class Server:
    """Stands for the downloader: files are what the test says."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self._contents = contents

    def fetch_all(self, wanted: Sequence[Wanted], cancelled: threading.Event) -> None:
        for url, _, target in wanted:
            target.write_bytes(self._contents[url])


class Parts:
    """An enumerator of what the test says."""

    def __init__(self, parts: list[Component]) -> None:
        self._parts = parts

    def components(self) -> list[Component]:
        return self._parts


class Run:
    """An update with labelled steps; `a` is a step, `[a, b]` a reference step to a child of two."""

    def __init__(self, folder: Path, *steps: str | list[str]) -> None:
        self.folder, self.handler = folder, Recorder()
        self.components: list[Component] | None = None
        self.phases: list[str] = []
        self.cancelled = threading.Event()
        self.contents: dict[str, bytes] = {}
        self.files: dict[str, ManifestFile] = {}
        self.manifest = self._manifest([self._step(step) for step in steps], self.files)

    def __call__(self) -> DeploymentResult:
        command = Command(3, "w", None, "http://h/r.json", file_urls={k: k for k in self.contents})
        tools = DeploymentTools(
            handlers={"h": self.handler},
            downloader=Server(self.contents),
            folder=self.folder,
            cancelled=self.cancelled,
            check=lambda manifest: None,
            on_phase=self.phases.append,
            enumerator=lambda: None if self.components is None else Parts(self.components),
        )
        return Deployment(command, self.manifest, tools).run()

    def _step(self, step: str | list[str]) -> ManifestStep:
        if isinstance(step, str):
            return ManifestStep("h", (), {"installedCriteria": step})
        inner = [ManifestStep("h", (), {"installedCriteria": label}) for label in step]
        document = detached_document(self._manifest(inner, {}, "Motor").to_json()).encode()
        file_id = f"child{len(self.files)}"
        self.contents[file_id] = document
        self.files[file_id] = file_of(document, f"{file_id}.json")
        return ManifestStep(detached_manifest_file_id=file_id)

    @staticmethod
    def _manifest(
        steps: list[ManifestStep], files: dict[str, ManifestFile], name: str = "Toaster"
    ) -> UpdateManifest:
        return UpdateManifest(
            update_id=ManifestUpdateId("Contoso", name, "1.0"),
            compatibility=({"group": "motors"},),
            steps=tuple(steps),
            files=files,
        )


def _label(step: StepContext) -> str:
    part = f"@{step.component.id}" if step.component else ""
    return f"{step.step.installed_criteria}{part}"


def _codes(result: DeploymentResult) -> list[int]:
    return [int(step.result_code) for step in result.steps]


def test_deployment_downloads_all_then_installs_one_after_the_other(tmp_path: Path) -> None:
    run = Run(tmp_path, "a", ["b", "c"])

    result = run()

    installs = [f"{action} {label}" for label in "abc" for action in ("backup", "install", "apply")]
    assert run.handler.calls == ["download a", "download b", "download c", *installs]
    assert run.phases == ["download", *["install", "apply"] * 3]
    assert (result.ended, _codes(result)) == (Ended.COMPLETED, [700, 700])


def test_deployment_runs_a_child_once_for_each_component_that_it_describes(tmp_path: Path) -> None:
    run = Run(tmp_path, ["b"])
    run.components = [Component("1", group="motors"), Component("2", group="lamps")]
    run.components.append(Component("3", group="", properties={"group": "x"}))
    run.components.append(Component("4", group="motors"))

    result = run()

    assert [call for call in run.handler.calls if call.startswith("apply")] == [
        "apply b@1",
        "apply b@4",
    ]
    assert _codes(result) == [700]


def test_deployment_counts_a_child_without_component_as_done(tmp_path: Path) -> None:
    run = Run(tmp_path, "a", ["b"])
    run.components = [Component("2", group="lamps")]

    result = run()

    assert (result.result_code, _codes(result)) == (700, [700, 604])


def test_deployment_fails_where_components_cannot_be_listed(tmp_path: Path) -> None:
    run = Run(tmp_path, "a", ["b"])
    run.components = [None]  # type: ignore[list-item] - what a broken plug-in may give

    result = run()

    assert result.extended_result_codes == (Erc.ENUMERATOR_FAILED,)
    assert run.handler.calls == []


@pytest.mark.parametrize(
    ("action", "code", "restart"),
    [
        ("install", 605, Restart.DEVICE),
        ("install", 607, Restart.AGENT),
        ("apply", 705, Restart.DEVICE),
        ("apply", 707, Restart.AGENT),
    ],
)
def test_deployment_stops_at_once_for_a_restart_and_goes_on_after_it(
    tmp_path: Path, action: str, code: int, restart: Restart
) -> None:
    run = Run(tmp_path, "a", "b")
    run.handler.answers["a"] = {action: code}

    first = run()

    assert first.restart is restart
    assert run.handler.calls[-1] == f"{action} a"
    run.handler.installed.add("a")
    second = run()
    assert second.restart is None
    assert (second.ended, _codes(second)) == (Ended.COMPLETED, [603, 700])


def test_deployment_restarts_first_where_a_step_cannot_be_judged_otherwise(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.handler.answers["a"] = {"is_installed": 705}

    assert run().restart is Restart.DEVICE
    assert run.handler.calls == []


def test_deployment_puts_a_later_restart_off_but_not_for_steps_beside_it(tmp_path: Path) -> None:
    run = Run(tmp_path, ["a", "b"], ["c"], "d")
    run.handler.answers["a"] = {"apply": 708}
    run.handler.answers["c"] = {"install": 606}

    result = run()

    assert result.restart is Restart.DEVICE
    applied = [call for call in run.handler.calls if call.split()[0] in ("install", "apply")]
    assert applied == ["install a", "apply a", "install c", "install d", "apply d"]


def test_deployment_leaves_its_own_steps_for_a_later_restart(tmp_path: Path) -> None:
    run = Run(tmp_path, "a", ["b"])
    run.handler.answers["a"] = {"apply": 706}

    assert run().restart is Restart.DEVICE
    assert run.handler.calls[-1] == "apply a"


def test_deployment_gives_up_on_a_step_that_restarts_for_ever(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.handler.answers["a"] = {"apply": 705}

    results = [run() for _ in range(4)]

    assert [result.restart for result in results] == [*[Restart.DEVICE] * 3, None]
    assert results[-1].ended == Ended.FAILED
    assert results[-1].extended_result_codes == (Erc.STEPS_RESTARTS_WITHOUT_END,)
    assert results[-1].details == "still not installed after 3 restarts"


def test_deployment_restores_a_step_that_failed_and_goes_no_further(tmp_path: Path) -> None:
    run = Run(tmp_path, "a", "b")
    run.handler.answers["a"] = {"apply": 0}

    result = run()

    assert run.handler.calls[-2:] == ["apply a", "restore a"]
    assert (result.ended, _codes(result)) == (Ended.FAILED, [0, 500])


def test_deployment_cancelled_in_a_step_cleans_up_and_restarts_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.handler.answers["a"] = {"install": 605}
    run.handler.on_call = lambda action, step: action == "install" and run.cancelled.set()  # type: ignore[func-returns-value,assignment]

    result = run()

    assert run.handler.calls[-1] == "cancel a"
    assert (result.ended, result.restart) == (Ended.CANCELLED, None)


def test_deployment_cancelled_while_it_waits_for_its_time_does_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    run.cancelled.set()

    assert run().ended == Ended.CANCELLED
    assert run.handler.calls == []


def test_deployment_without_a_handler_fetches_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, "a")
    wim = ManifestStep("microsoft/wim:1", (), {})
    run.manifest = Run._manifest([*run.manifest.steps, wim], {})

    result = run()

    assert result.extended_result_codes == (Erc.HANDLER_NOT_REGISTERED,)
    assert result.details == "there is no handler 'microsoft/wim:1'"
    assert run.handler.calls == []


def test_enumerator_reads_the_public_agents_inventory(tmp_path: Path) -> None:
    entry = {"id": "1", "name": "left", "group": "motors", "properties": {"port": "1"}}
    path = tmp_path / "components.json"
    path.write_text(json.dumps({"components": [entry]}))
    settings = {"microsoft/steps:1": {"components": str(path)}}

    enumerator = load_enumerator(config(tmp_path, handler_settings=settings))

    assert isinstance(enumerator, FileEnumerator)
    expected = Component("1", name="left", group="motors", properties={"port": "1"})
    assert enumerator.components() == [expected]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"components": [{"name": "left"}]}'])
def test_enumerator_refuses_what_is_no_inventory(tmp_path: Path, text: str) -> None:
    (tmp_path / "components.json").write_text(text)

    with pytest.raises(ValueError, match=r"\S"):
        FileEnumerator(tmp_path / "components.json").components()


def test_enumerator_is_a_plug_in_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install_plugin(tmp_path, monkeypatch)

    enumerator = load_enumerator(config(tmp_path / "data"))

    assert enumerator is not None
    assert list(enumerator.components()) == [Component("contoso")]


def test_enumerator_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    settings = {"microsoft/steps:1": {"enumerator": "contoso/parts:1"}}

    with pytest.raises(ManifestError) as refused:
        load_enumerator(config(tmp_path, handler_settings=settings))

    assert refused.value.erc == Erc.ENUMERATOR_FAILED


def test_there_is_no_enumerator_unless_one_is_installed(tmp_path: Path) -> None:
    assert load_enumerator(config(tmp_path)) is None


def _install_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "site"
    metadata = package / "contoso_parts-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: contoso-parts\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[odu_agent.enumerators]\ncontoso/parts:1 = contoso_parts:create\n"
    )
    (package / "contoso_parts.py").write_text(
        "from odu_agent.handlers import Component\n"
        "class Parts:\n"
        "    def __init__(self, environment): self.name = environment.name\n"
        "    def components(self): yield Component(self.name.split('/')[0])\n"
        "create = Parts\n"
    )
    monkeypatch.syspath_prepend(str(package))
