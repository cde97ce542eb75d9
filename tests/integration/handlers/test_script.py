"""The script handlers with real scripts."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestError
from odu_agent.handlers import Component, Handler, StepContext, StepResult, script, swupdate_script

from .steps import a_step, environment, wait_until

ACTIONS = ("is_installed", "download", "install", "apply", "cancel")
ANSWERS = """#!/bin/sh
echo "$@" >> calls
while [ $# -gt 0 ]; do
  case "$1" in
    --action-*) action="${1#--action-}" ;;
    --action) action="$2"; shift ;;
    --result-file) result="$2"; shift ;;
  esac
  shift
done
case "$action" in
  download) code=500 ;; install) code=600 ;; apply) code=700 ;; cancel) code=800 ;;
  is-installed) if [ -e done ]; then code=900; else code=901; fi ;;
esac
[ "$action" != apply ] || cp payload done
echo "{\\"resultCode\\": $code, \\"resultDetails\\": \\"$action\\"}" > "$result"
"""


def _step(folder: Path, text: str, **properties: Any) -> StepContext:
    contents = {"install.sh": text.encode(), "payload": b"bread"}
    return a_step(folder, contents, {"scriptFileName": "install.sh", **properties})


def _script(folder: Path, **settings: Any) -> Handler:
    return script.create(environment(folder, **settings))


def _install(folder: Path, text: str, **settings: Any) -> StepResult:
    step = _step(folder, text.replace("$RESULT", "action_install_aduc_result.json"))
    step.fetch_files()
    return _script(folder, **settings).install(step)


@pytest.mark.parametrize(
    ("version", "word"), [({}, "--action-"), ({"apiVersion": "1.1"}, "--action ")]
)
def test_script_is_told_the_action_and_answers(
    tmp_path: Path, version: dict[str, str], word: str
) -> None:
    step = _step(tmp_path, ANSWERS, arguments="--fast  --very", installedCriteria="c 1", **version)
    handler = _script(tmp_path)

    results = [getattr(handler, action)(step) for action in (*ACTIONS, "is_installed")]

    assert [result.result_code for result in results] == [901, 500, 600, 700, 800, 900]
    assert results[2].details == "install"
    folder = step.work_folder
    calls = (folder / "calls").read_text().splitlines()
    assert calls[2] == (
        f"{word}install --fast --very --work-folder {folder} "
        f"--result-file {folder}/action_install_aduc_result.json --installed-criteria c 1"
    )
    assert (folder / "done").read_text() == "bread"


def test_script_alone_is_fetched_to_ask_whether_the_step_is_installed(tmp_path: Path) -> None:
    step = _step(tmp_path, ANSWERS)

    assert _script(tmp_path).is_installed(step).result_code == 901

    assert not (step.work_folder / "payload").exists()


def test_script_gets_the_data_of_its_component(tmp_path: Path) -> None:
    component = Component("id-1", name="left motor", version="3", properties={"port": "/dev/m1"})
    arguments = (
        "--component-id-val --component-name-val --component-group-val"
        " --component-prop-val port --component-prop-val none"
    )
    step = _step(
        tmp_path, '#!/bin/sh\nfor word; do echo "$word"; done > words\n', arguments=arguments
    )
    step = StepContext(**{**vars(step), "component": component})
    step.fetch_files()

    _script(tmp_path).install(step)

    words = (step.work_folder / "words").read_text().splitlines()
    assert words[1:6] == ["id-1", "left motor", "n/a", "/dev/m1", "n/a"]


@pytest.mark.parametrize(
    ("text", "code", "details"),
    [
        ("echo burnt; exit 7", 0x30501007, "install ended with exit code 7: burnt"),
        ("kill -9 $$", 0x30501000 + 137, "install ended with exit code 137"),
        ("exit 0", Erc.SCRIPT_NO_RESULT_FILE, "the script wrote no result file"),
        ("echo 7 > $RESULT", Erc.SCRIPT_RESULT_MALFORMED, None),
        (
            """echo '{"resultCode": true}' > $RESULT""",
            Erc.SCRIPT_RESULT_MALFORMED,
            "the result file: resultCode is true, not a number",
        ),
        ("head -c 70000 /dev/zero > $RESULT", 0x30500F03, None),
        (
            """echo '{"resultCode": 0}' > $RESULT""",
            Erc.SCRIPT_FAILURE_WITHOUT_CODE,
            None,
        ),
        (
            """echo '{"resultCode": 0, "extendedResultCode": 5}' > $RESULT""",
            5,
            None,
        ),
        (
            """echo '{"resultCode": 600, "resultDetails": "ok"}' > $RESULT
            exit 9""",
            0x30501009,
            "install ended with exit code 9: ok",
        ),
    ],
)
def test_script_that_fails_is_reported_with_its_code(
    tmp_path: Path, text: str, code: int, details: str | None
) -> None:
    result = _install(tmp_path, f"#!/bin/sh\n{text}\n")

    assert result.result_code == 0
    assert result.extended_result_codes == (code,)
    assert details is None or result.details == details


def test_script_may_ask_for_a_reboot(tmp_path: Path) -> None:
    text = """#!/bin/sh\necho '{"resultCode": 605}' > $RESULT\n"""

    assert _install(tmp_path, text) == StepResult(605)


def test_script_without_a_first_line_is_a_shell_script(tmp_path: Path) -> None:
    text = """echo '{"resultCode": 600}' > $RESULT\n"""

    assert _install(tmp_path, text) == StepResult(600)


def test_script_result_of_an_earlier_run_counts_for_nothing(tmp_path: Path) -> None:
    step = _step(tmp_path, "#!/bin/sh\nexit 0\n")
    step.fetch_files()
    (step.work_folder / "action_install_aduc_result.json").write_text('{"resultCode": 600}')

    result = _script(tmp_path).install(step)

    assert result.extended_result_codes == (Erc.SCRIPT_NO_RESULT_FILE,)


def test_script_is_ended_after_its_time_limit(tmp_path: Path) -> None:
    result = _install(tmp_path, "#!/bin/sh\nsleep 1000\n", timeoutMinutes=0.005)

    assert result.extended_result_codes == (Erc.SCRIPT_TIMED_OUT,)
    assert result.details == "install took over 0.3 s"


def test_script_that_never_stops_talking_is_ended_too(tmp_path: Path) -> None:
    result = _install(tmp_path, "#!/bin/sh\nyes\n", timeoutMinutes=0.005)

    assert result.extended_result_codes == (Erc.SCRIPT_TIMED_OUT,)


def test_script_cancelled_ends_with_all_that_it_started(tmp_path: Path) -> None:
    text = """#!/bin/sh
        trap '' TERM
        sleep 1000 & echo $! >> pids
        setsid sh -c 'echo $$ >> pids; trap "" TERM; sleep 1000; sleep 1000' &
        touch started
        wait; wait
    """
    step = _step(tmp_path, text)
    step.fetch_files()
    results: list[StepResult] = []
    thread = threading.Thread(target=lambda: results.append(_script(tmp_path).install(step)))
    thread.start()
    pids = step.work_folder / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the script runs")

    began = time.monotonic()
    step.cancelled.set()
    thread.join(60)

    assert time.monotonic() - began < 50
    assert [result.result_code for result in results] == [-1]
    assert not [pid for pid in pids.read_text().split() if _is_alive(int(pid))]


def test_script_leaves_nothing_running_after_its_end(tmp_path: Path) -> None:
    text = """#!/bin/sh
        sleep 1000 & echo $! > pid
        echo '{"resultCode": 600}' > $RESULT
    """

    assert _install(tmp_path, text) == StepResult(600)
    assert not _is_alive(int((tmp_path / "work/pid").read_text()))


def test_script_sees_nothing_of_the_agents_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hot")

    _install(tmp_path, "#!/bin/sh\nenv > seen\n")

    assert "SECRET" not in (tmp_path / "work/seen").read_text()


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"scriptFileName": ""}, Erc.SCRIPT_NO_FILE_NAME),
        ({"scriptFileName": "other.sh"}, Erc.SCRIPT_NOT_IN_FILES),
        ({"apiVersion": "2.0"}, Erc.SCRIPT_API_VERSION),
    ],
)
def test_script_step_that_is_malformed_is_refused(
    tmp_path: Path, properties: dict[str, str], code: Erc
) -> None:
    with pytest.raises(ManifestError) as refused:
        _script(tmp_path).download(_step(tmp_path, ANSWERS, **properties))

    assert refused.value.erc == code


def test_script_step_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as refused:
        _script(tmp_path).download(a_step(tmp_path, {}, {"scriptFileName": "install.sh"}))

    assert refused.value.erc == Erc.SCRIPT_NO_FILES


def test_swupdate_script_gets_its_image_and_the_options_of_the_device(tmp_path: Path) -> None:
    step = _step(tmp_path, ANSWERS, swuFileName="payload", arguments="--x")
    settings = {"options": {"--public-key-file": "/etc/key.pem"}}
    handler = swupdate_script.create(environment(tmp_path, **settings))

    codes = [
        getattr(handler, action)(step).result_code for action in (*ACTIONS, "backup", "restore")
    ]

    assert codes == [901, 500, 600, 700, 800, 1000, 1100]
    call = (step.work_folder / "calls").read_text().splitlines()[2]
    image = f"--swu-file {step.work_folder}/payload"
    assert call.startswith(f"--action-install {image} --public-key-file /etc/key.pem --x ")


def test_swupdate_script_reports_an_exit_code_under_its_own_component(tmp_path: Path) -> None:
    step = _step(tmp_path, "#!/bin/sh\nexit 4\n", swuFileName="payload")
    step.fetch_files()
    handler = swupdate_script.create(environment(tmp_path))

    assert handler.install(step).extended_result_codes == (0x30101004,)
    assert handler.restore(step).extended_result_codes == (Erc.RESTORE_FAILED,)


@pytest.mark.parametrize(
    ("contents", "properties", "code"),
    [
        (
            ("a.swu",),
            {"scriptFileName": "a", "swuFileName": "a.swu"},
            Erc.SWUPDATE_WRONG_FILE_COUNT,
        ),
        (("a.sh", "a.swu"), {"swuFileName": "a.swu"}, Erc.SWUPDATE_NO_FILE_NAME),
        (("a.sh", "a.swu"), {"scriptFileName": "a.sh"}, Erc.SWUPDATE_NO_SWU_NAME),
    ],
)
def test_swupdate_step_that_is_malformed_is_refused(
    tmp_path: Path, contents: tuple[str, ...], properties: dict[str, str], code: Erc
) -> None:
    step = a_step(tmp_path, dict.fromkeys(contents, b""), properties)

    with pytest.raises(ManifestError) as refused:
        swupdate_script.create(environment(tmp_path)).download(step)

    assert refused.value.erc == code


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    # What has ended but was not yet taken note of by its parent is no longer alive.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
