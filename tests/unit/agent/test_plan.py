"""How a manifest becomes a plan: what each step is called, gets and is refused for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from odu_agent.content import Content
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import (
    ManifestError,
    ManifestFile,
    ManifestStep,
    ManifestUpdateId,
    UpdateManifest,
    detached_document,
)
from odu_agent.fetching import Wanted
from odu_agent.handlers import Component
from odu_agent.plan import OWN_LOOP, Planner

from .fixtures import file_of

HANDLER: Any = object()
UPDATE, CHILD = ManifestUpdateId("acme", "kiosk", "1.0"), ManifestUpdateId("acme", "motor", "2.0")
A, B = file_of(b"a", "a.bin"), file_of(b"bb", "b.bin")
MOST = 4 * 1024 * 1024


@dataclass
class Server:
    """Gives the files it has by their address, and notes what was fetched."""

    contents: Mapping[str, bytes]
    fetched: list[str]

    def fetch_all(self, wanted: Iterable[Wanted], cancelled: threading.Event) -> None:
        for url, _, target in wanted:
            self.fetched.append(url)
            target.write_bytes(self.contents[url])


@dataclass
class Parts:
    parts: list[Component]

    def components(self) -> list[Component]:
        return self.parts


def a_manifest(
    *steps: ManifestStep, files: Mapping[str, ManifestFile] | None = None, **changes: Any
) -> UpdateManifest:
    made = UpdateManifest(UPDATE, ({"group": "motors"},), steps=steps, files=files or {})
    return replace(made, **changes)


def a_step(*files: str) -> ManifestStep:
    return ManifestStep("h", files)


def a_reference(file_id: str = "child") -> ManifestStep:
    return ManifestStep(detached_manifest_file_id=file_id)


def detached(manifest: UpdateManifest) -> bytes:
    return detached_document(manifest.to_json()).encode()


class World:
    """A planner over files that a server has."""

    def __init__(
        self, folder: Path, contents: dict[str, bytes], parts: list[Component] | None = None
    ) -> None:
        self.folder, self.fetched = folder, list[str]()
        self.cancelled = threading.Event()
        content = Content(
            {name: name for name in contents}, Server(contents, self.fetched), self.cancelled
        )
        self.planner = Planner(
            handlers={"h": HANDLER},
            content=content,
            folder=folder,
            cancelled=self.cancelled,
            load_enumerator=lambda: None if parts is None else Parts(parts),
        )

    def refusal(self, manifest: UpdateManifest, whole: bool = False) -> int:
        with pytest.raises(ManifestError) as raised:
            self.planner.whole(manifest) if whole else self.planner.plan(manifest)
        return raised.value.erc


def test_each_step_has_a_name_a_place_and_its_files(tmp_path: Path) -> None:
    world = World(tmp_path, {"a": b"a", "b": b"bb"})
    manifest = a_manifest(a_step("a"), a_step("b", "a"), files={"a": A, "b": B})

    plan = world.planner.plan(manifest)

    first, second = plan.parts
    assert plan.unmatched == ()
    assert [(part.name, part.position, part.loop) for part in plan.parts] == [
        ("0-0", 0, OWN_LOOP),
        ("1-1", 1, OWN_LOOP),
    ]
    assert second.handler is HANDLER
    context = second.context
    assert (context.update_id, context.index, context.step) == (UPDATE, 1, manifest.steps[1])
    assert (context.component, context.cancelled) == (None, world.cancelled)
    assert [(file.file_id, file.name, file.path) for file in context.files] == [
        ("b", "b.bin", tmp_path / "files" / "b"),
        ("a", "a.bin", tmp_path / "files" / "a"),
    ]
    assert [(file.file_id, file.file) for file in second.files] == [("b", B), ("a", A)]
    assert context.work_folder == tmp_path / "work" / "1-1"
    assert context.work_folder.is_dir()
    assert world.fetched == []
    assert world.planner.plan(manifest).parts[0].name == first.name


def test_a_step_fetches_the_files_it_names_or_all(tmp_path: Path) -> None:
    world = World(tmp_path, {"a": b"a", "b": b"bb"})
    (part,) = world.planner.plan(a_manifest(a_step("a", "b"), files={"a": A, "b": B})).parts

    part.context.fetch_files("b")
    assert world.fetched == ["b"]
    part.context.fetch_files()

    assert world.fetched == ["b", "a", "b"]
    assert (tmp_path / "files" / "b").read_bytes() == b"bb"


def with_child(
    folder: Path, parts: list[Component] | None, **changes: Any
) -> tuple[World, UpdateManifest]:
    child = replace(a_manifest(a_step("x"), a_step(), files={"x": A}), update_id=CHILD, **changes)
    document = detached(child)
    world = World(folder, {"child": document, "x": b"a"}, parts)
    return world, a_manifest(
        a_step(), a_reference(), files={"child": file_of(document, "child.json")}
    )


def test_a_child_runs_for_the_device_where_nobody_knows_components(tmp_path: Path) -> None:
    world, manifest = with_child(tmp_path, None)

    own, first, second = world.planner.plan(manifest).parts

    assert [(part.name, part.position, part.loop) for part in (own, first, second)] == [
        ("0-0", 0, OWN_LOOP),
        ("1-0", 1, "1"),
        ("1-1", 1, "1"),
    ]
    assert (first.context.update_id, first.context.component) == (CHILD, None)
    assert first.context.files[0].path == tmp_path / "child-1" / "x"
    assert (tmp_path / "manifests" / "child").exists()


def test_a_child_runs_in_a_loop_of_its_own_for_each_component(tmp_path: Path) -> None:
    motors = [Component("left", group="motors"), Component("right", group="motors")]
    world, manifest = with_child(tmp_path, [*motors, Component("lamp", group="lamps")])

    _, *parts = world.planner.plan(manifest).parts

    assert [part.context.component for part in parts] == [
        motors[0],
        motors[0],
        motors[1],
        motors[1],
    ]
    # what outlives restarts hangs on these: the first 12 digits of the SHA-256 of the id
    left, right = "360f84035942", "27042f4e6eca"
    assert [part.name for part in parts] == [
        f"1-0-{left}",
        f"1-1-{left}",
        f"1-0-{right}",
        f"1-1-{right}",
    ]
    assert [part.loop for part in parts] == [f"1-{left}", f"1-{left}", f"1-{right}", f"1-{right}"]
    assert [part.position for part in parts] == [1, 1, 1, 1]


def test_a_child_of_no_component_is_noted(tmp_path: Path) -> None:
    world, manifest = with_child(tmp_path, [Component("lamp", group="lamps")])

    plan = world.planner.plan(manifest)

    assert ([part.name for part in plan.parts], plan.unmatched) == (["0-0"], (1,))


def test_a_child_that_describes_nothing_is_for_every_component(tmp_path: Path) -> None:
    lamp = Component("lamp", group="lamps")
    world, manifest = with_child(tmp_path, [lamp], compatibility=())

    _, first, _ = world.planner.plan(manifest).parts

    assert first.context.component == lamp


def test_the_version_of_a_childs_manifest_is_not_looked_at(tmp_path: Path) -> None:
    world, manifest = with_child(tmp_path, None, manifest_version="3")

    assert len(world.planner.plan(manifest).parts) == 3


@pytest.mark.parametrize(
    "changes",
    [{"steps": (a_step(), a_reference("other"))}, {"detached_manifest_file_id": "other"}],
)
def test_a_child_has_no_children(tmp_path: Path, changes: dict[str, Any]) -> None:
    world, manifest = with_child(tmp_path, None, **changes)

    assert world.refusal(manifest) == Erc.STEPS_NESTED_REFERENCE


def test_a_short_manifest_stands_for_the_whole_one(tmp_path: Path) -> None:
    whole = a_manifest(a_step())
    document = detached(whole)
    world = World(tmp_path, {"m": document})
    short = a_manifest(files={"m": file_of(document)}, detached_manifest_file_id="m")

    assert world.planner.whole(short) == whole
    assert world.planner.whole(whole) is whole


@pytest.mark.parametrize("changes", [{"update_id": CHILD}, {"detached_manifest_file_id": "other"}])
def test_a_whole_manifest_is_of_the_same_update(tmp_path: Path, changes: dict[str, Any]) -> None:
    document = detached(a_manifest(a_step(), **changes))
    world = World(tmp_path, {"m": document})
    short = a_manifest(files={"m": file_of(document)}, detached_manifest_file_id="m")

    assert world.refusal(short, whole=True) == Erc.DETACHED_BAD


def test_a_detached_manifest_is_listed_small_and_text(tmp_path: Path) -> None:
    world = World(tmp_path, {"m": b"\xff"})

    def short(*files: ManifestFile) -> UpdateManifest:
        return a_manifest(
            files=dict.fromkeys(["m"] if files else [], *files), detached_manifest_file_id="m"
        )  # type: ignore[arg-type]

    assert world.refusal(short(), whole=True) == Erc.DETACHED_FILE_MISSING
    assert world.refusal(a_manifest(a_reference())) == Erc.STEPS_FILE_MISSING
    large = file_of(b"\xff", size_in_bytes=MOST + 1)
    assert world.refusal(short(large), whole=True) == Erc.DETACHED_BAD
    assert world.fetched == []
    largest = file_of(b"\xff", size_in_bytes=MOST)
    assert world.refusal(short(largest), whole=True) == Erc.DETACHED_NOT_JSON


@pytest.mark.parametrize(
    ("step", "files", "expected"),
    [
        (ManifestStep("other"), {}, Erc.HANDLER_NOT_REGISTERED),
        (ManifestStep(None), {}, Erc.HANDLER_NOT_REGISTERED),
        (a_step("a"), {}, Erc.STEPS_FILE_MISSING),
        (a_step("a"), {"a": file_of(b"a", "../a")}, Erc.DOWNLOAD_INVALID_FILE),
    ],
)
def test_a_step_of_no_handler_or_file_is_refused(
    tmp_path: Path, step: ManifestStep, files: dict[str, ManifestFile], expected: Erc
) -> None:
    assert World(tmp_path, {}).refusal(a_manifest(step, files=files)) == expected
