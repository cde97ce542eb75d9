"""`./odu manifest`: what it writes is valid, and what is not is listed in full."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odu_cli.exit_codes import ExitCode
from shared.domain.updates.file_name import file_name_violation
from shared.domain.updates.import_manifest import parse_import_manifest
from tests.command_line import Ended, run
from tests.packages import make_package, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ID = ("--provider", "contoso", "--name", "toaster", "--version", "1.2")
COMPAT = ("--compat", "manufacturer=contoso,model=toaster")

file_names = st.from_regex(r"[A-Za-z0-9._~+@()=^][A-Za-z0-9 ._~+@()=^-]{0,20}", fullmatch=True)
safe_names = file_names.filter(lambda name: file_name_violation(name) is None)
file_sets = st.dictionaries(
    safe_names, st.binary(min_size=1, max_size=2000), min_size=1, max_size=10
)
distinct_files = file_sets.filter(
    lambda files: len({name.casefold() for name in files}) == len(files)
)
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,20}[A-Za-z0-9]", fullmatch=True)
compatibilities = st.lists(
    st.dictionaries(words, words, min_size=1, max_size=5), min_size=1, max_size=10
)
versions = st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)


def write(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in files]


def compat_options(sets: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        word
        for each in sets
        for word in ("--compat", ",".join(f"{key}={value}" for key, value in each.items()))
    ]


@settings(max_examples=40, deadline=None)
@given(files=distinct_files, compat=compatibilities, version=versions, data=st.data())
def test_what_init_writes_validates_until_a_byte_of_a_file_changes(
    files: dict[str, bytes],
    compat: list[dict[str, str]],
    version: str,
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write(folder, files)
        identity = ("--provider", "contoso", "--name", "toaster", "--version", version)
        out = str(folder / "written.importmanifest.json")

        made = run(
            "manifest", "init", *paths, *identity, *compat_options(compat), "-o", out, "--json"
        )
        checked = run("manifest", "validate", out, "--json")

        assert made.code == 0, made.stderr
        assert (checked.code, checked.document["valid"]) == (0, True)
        manifest = parse_import_manifest(Path(out).read_bytes())
        assert made.document["manifest"] == manifest.document
        assert [dict(each) for each in manifest.compatibility] == compat
        found = {entry.filename: (entry.size_bytes, entry.sha256) for entry in manifest.files}
        assert found == {name: (len(body), sha256(body)) for name, body in files.items()}

        victim = data.draw(st.sampled_from(sorted(files)))
        changed = bytearray(files[victim])
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= 0xFF
        (folder / victim).write_bytes(changed)

        refused = run("manifest", "validate", out, "--json")

        index = [entry.filename for entry in manifest.files].index(victim)
        assert refused.code == ExitCode.INVALID
        assert [item["target"] for item in refused.document["violations"]] == [
            f"/files/{index}/hashes/sha256"
        ]


def test_init_writes_what_the_options_say(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a.swu": b"swu", "install.sh": b"#!/bin/sh\n"})
    options = ("--handler", "microsoft/swupdate:2", "--description", "Better toast")
    properties = ("--property", "installedCriteria=x", "--property", "arguments=--a=b,c")
    steps = ("--reference", "contoso/sensor/3.0", "--not-deployable")

    ended = run("manifest", "init", *paths, *ID, *COMPAT, *options, *properties, *steps)

    assert ended.code == 0, ended.stderr
    written = tmp_path / "contoso.toaster.1.2.importmanifest.json"
    document = json.loads(written.read_text())
    assert str(written) in ended.stderr
    assert document.pop("createdDateTime").endswith("Z")
    assert document == {
        "manifestVersion": "5.0",
        "updateId": {"provider": "contoso", "name": "toaster", "version": "1.2"},
        "description": "Better toast",
        "isDeployable": False,
        "compatibility": [{"manufacturer": "contoso", "model": "toaster"}],
        "instructions": {
            "steps": [
                {
                    "handler": "microsoft/swupdate:2",
                    "files": ["a.swu", "install.sh"],
                    "handlerProperties": {
                        "scriptFileName": "install.sh",
                        "swuFileName": "a.swu",
                        "installedCriteria": "x",
                        "arguments": "--a=b,c",
                    },
                },
                {
                    "type": "reference",
                    "updateId": {"provider": "contoso", "name": "sensor", "version": "3.0"},
                },
            ]
        },
        "files": [
            {"filename": "a.swu", "sizeInBytes": 3, "hashes": {"sha256": sha256(b"swu")}},
            {
                "filename": "install.sh",
                "sizeInBytes": 10,
                "hashes": {"sha256": sha256(b"#!/bin/sh\n")},
            },
        ],
    }


OLD, NEW = b"o" * 70_000, b"n" * 70_000


def _with_delta(folder: Path, *more: str, old: bytes = OLD, new: bytes = NEW) -> Ended:
    files = {"install.sh": b"#!/bin/sh\n", "rootfs.img": new, "rootfs.delta": b"delta"}
    paths = write(folder, files)
    (folder / "old").mkdir()
    (folder / "old" / "rootfs.img").write_bytes(old)
    delta = f"rootfs.img={folder / 'old' / 'rootfs.img'},{folder / 'rootfs.delta'}"
    return run("manifest", "init", *paths[:2], *ID, *COMPAT, "--delta", delta, *more)


@pytest.mark.parametrize("handler", ["opendu/zstd-delta:1", "microsoft/delta:1"])
def test_init_brings_a_delta_along_that_is_made_already(tmp_path: Path, handler: str) -> None:
    ended = _with_delta(tmp_path, "--delta-handler", handler)

    assert ended.code == 0, ended.stderr
    written = tmp_path / "contoso.toaster.1.2.importmanifest.json"
    script, image = json.loads(written.read_text())["files"]
    assert "relatedFiles" not in script
    assert image["downloadHandler"] == {"id": handler}
    assert image["relatedFiles"] == [
        {
            "filename": "rootfs.delta",
            "sizeInBytes": 5,
            "hashes": {"sha256": sha256(b"delta")},
            "properties": {
                "microsoft.sourceFileHash": sha256(OLD),
                "microsoft.sourceFileHashAlgorithm": "sha256",
            },
        }
    ]
    assert run("manifest", "validate", str(written)).code == 0
    (tmp_path / "rootfs.delta").write_bytes(b"other")
    assert run("manifest", "validate", str(written)).code == ExitCode.INVALID


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"old": b"small"}, "devices keep no files below"),
        ({"old": NEW}, "are the same file"),
    ],
)
def test_init_refuses_a_delta_that_no_device_could_use(
    tmp_path: Path, changes: dict[str, bytes], says: str
) -> None:
    ended = _with_delta(tmp_path, **changes)

    assert ended.code != 0
    assert says in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("delta", "says"),
    [("a.img", "KEY=VALUE"), ("a.img=old.img", "FILE=OLD,DELTA"), ("b=c,d", "none of the files")],
)
def test_init_refuses_a_delta_that_it_does_not_understand(
    tmp_path: Path, delta: str, says: str
) -> None:
    paths = write(tmp_path, {"a.img": b"a"})

    ended = run("manifest", "init", *paths, *ID, *COMPAT, "--delta", delta)

    assert ended.code != 0
    assert says in " ".join(ended.stderr.split())


def test_init_overwrites_nothing_unless_told_to(tmp_path: Path) -> None:
    [path] = write(tmp_path, {"a.sh": b"one"})
    assert run("manifest", "init", path, *ID, *COMPAT).code == 0
    (tmp_path / "a.sh").write_bytes(b"other")

    refused = run("manifest", "init", path, *ID, *COMPAT)
    forced = run("manifest", "init", path, *ID, *COMPAT, "--force")

    assert refused.code == ExitCode.CONFLICT
    assert "--force" in refused.stderr
    assert forced.code == 0


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ((), "/instructions/steps"),
        (("a.sh", "--handler", "script"), "/instructions/steps/0/handler"),
        (("a.sh", "--description", "x" * 513), "/description"),
        (("a.sh", "other/A.SH"), "/files/1/filename"),
        (("empty",), "/files/0/sizeInBytes"),
    ],
    ids=["nothing", "handler", "description", "same name", "empty file"],
)
def test_init_writes_nothing_that_the_service_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    write(tmp_path, {"a.sh": b"one", "empty": b"", "other/A.SH": b"two"})

    ended = run("manifest", "init", *options, *ID, *COMPAT)

    assert ended.code == ExitCode.INVALID
    assert f"  {target}  " in ended.stderr
    assert not list(tmp_path.glob("**/*.json"))


def test_init_names_the_file_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "missing.bin"

    ended = run("manifest", "init", str(missing), *ID, *COMPAT, "--json")

    assert ended.code == ExitCode.INVALID
    assert str(missing) in ended.stderr
    assert ended.document["error"]["code"] == "Invalid"


def test_validate_lists_every_violation(tmp_path: Path) -> None:
    document: dict[str, Any] = make_package("toaster").document
    del document["createdDateTime"]
    document["compatibility"] = []
    document["files"][0]["hashes"]["sha256"] = "short"
    document["updateId"]["version"] = "one"
    path = tmp_path / "m.json"
    path.write_text(json.dumps(document))

    people = run("manifest", "validate", str(path))
    programs = run("manifest", "validate", str(path), "--json")

    targets = ["", "/compatibility", "/files/0/hashes/sha256", "/updateId/version"]
    assert people.code == programs.code == ExitCode.INVALID
    assert [item["target"] for item in programs.document["violations"]] == targets
    assert programs.document["valid"] is False
    assert "4 violations" in people.stderr
    assert [line.split()[0] for line in people.stderr.splitlines()[1:]] == [
        "document",
        *targets[1:],
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is not JSON"), (b"[]", "must be an object"), (b" " * 2_000_000, "bytes")],
    ids=["empty", "list", "too large"],
)
def test_validate_refuses_what_is_no_manifest(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(content)

    ended = run("manifest", "validate", str(path))

    assert ended.code == ExitCode.INVALID
    assert reason in ended.stderr


def test_validate_looks_for_files_where_it_is_told_to(tmp_path: Path) -> None:
    package = make_package("toaster", files={"a.sh": b"one"})
    path = tmp_path / "m.json"
    path.write_bytes(package.manifest)
    (tmp_path / "files").mkdir()
    write(tmp_path / "files", package.files)

    absent = run("manifest", "validate", str(path))
    elsewhere = run("manifest", "validate", str(path), "--files", str(tmp_path / "files"))
    unseen = run("manifest", "validate", str(path), "--manifest-only")

    assert absent.code == ExitCode.INVALID
    assert "/files/0/filename" in absent.stderr
    assert elsewhere.code == unseen.code == 0


STEP = "/instructions/steps/0"


@pytest.mark.parametrize(
    ("handler", "files", "properties", "targets"),
    [
        ("microsoft/script:1", ["a.bin"], {}, ["scriptFileName"]),
        ("microsoft/script:1", ["a.bin"], {"scriptFileName": " "}, ["scriptFileName"]),
        ("microsoft/script:1", ["a.bin"], {"scriptFileName": "b.sh"}, ["scriptFileName"]),
        (
            "microsoft/script:1",
            ["a.sh"],
            {"scriptFileName": "a.sh", "apiVersion": 2},
            ["apiVersion"],
        ),
        ("microsoft/swupdate:2", ["a.swu"], {}, ["", "scriptFileName", "swuFileName"]),
        ("microsoft/swupdate:1", ["a.swu", "b"], {"installedCriteria": "1"}, [""]),
        ("microsoft/apt:1", ["a.json", "b.json"], {"installedCriteria": "1"}, [""]),
        ("microsoft/apt:1", ["a.json"], {"installedCriteria": ""}, ["installedCriteria"]),
        ("opendu/rauc:1", ["a.raucb", "b"], {"installedCriteria": "1"}, [""]),
        ("microsoft/wim:1", ["a.wim"], {}, ["installedCriteria"]),
    ],
)
def test_validate_knows_what_each_standard_handler_requires(
    tmp_path: Path,
    handler: str,
    files: list[str],
    properties: dict[str, Any],
    targets: list[str],
) -> None:
    package = make_package("toaster", files={name: name.encode() for name in files})
    [step] = package.document["instructions"]["steps"]
    step.update(handler=handler, handlerProperties=properties)
    path = tmp_path / "m.json"
    path.write_bytes(package.manifest)
    write(tmp_path, package.files)

    ended = run("manifest", "validate", str(path), "--json")

    assert ended.code == ExitCode.INVALID
    assert [item["target"] for item in ended.document["violations"]] == [
        f"{STEP}/handlerProperties/{name}" if name else f"{STEP}/files" for name in targets
    ]


@pytest.mark.parametrize(
    ("handler", "files", "written"),
    [
        ("microsoft/script:1", ["a.bin", "go.sh"], {"scriptFileName": "go.sh"}),
        ("microsoft/script:1", ["go", "a.bin"], {"scriptFileName": "go"}),
        (
            "microsoft/swupdate:2",
            ["a.swu", "b.sh"],
            {"scriptFileName": "b.sh", "swuFileName": "a.swu"},
        ),
        ("microsoft/apt:1", ["packages.json"], {}),
    ],
)
def test_init_writes_what_the_handler_requires(
    tmp_path: Path, handler: str, files: list[str], written: dict[str, str]
) -> None:
    paths = write(tmp_path, {name: name.encode() for name in files})

    ended = run("manifest", "init", *paths, *ID, *COMPAT, "--handler", handler, "--json")

    assert ended.code == 0, ended.stderr
    [step] = ended.document["manifest"]["instructions"]["steps"]
    assert step["handlerProperties"] == {**written, "installedCriteria": "1.2"}


def test_init_adds_nothing_for_a_handler_of_ones_own(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a.bin": b"a"})

    ended = run("manifest", "init", *paths, *ID, *COMPAT, "--handler", "acme/flash:1", "--json")

    assert "handlerProperties" not in ended.document["manifest"]["instructions"]["steps"][0]


def test_validate_takes_a_manifest_with_a_byte_order_mark() -> None:
    cases = Path(__file__).parents[2] / "data" / "cases"

    assert run("manifest", "validate", str(cases / "bom.importmanifest.json")).code == 0
