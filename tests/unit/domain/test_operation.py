from __future__ import annotations

from shared.domain.errors import Conflict, InvalidInput
from shared.domain.operation import Failure, ImportSource, Operation, OperationStatus, Stage
from shared.domain.updates.update_id import UpdateId

URL = ImportSource(
    kind="url",
    manifest="sealed-manifest",
    manifest_size_bytes=5,
    manifest_sha256="hash",
    friendly_name="Kiosk",
    files={"apply.sh": "sealed-file"},
)
DROP = ImportSource(
    kind="drop",
    manifest="factory/a.importmanifest.json",
    manifest_size_bytes=None,
    manifest_sha256=None,
    friendly_name=None,
    files={},
)


def an_operation() -> Operation:
    return Operation(
        operation_id="op",
        kind="import",
        status=OperationStatus.NOT_STARTED,
        stage=Stage.FETCH,
        created_at="t0",
        changed_at="t0",
        trace_id="trace",
        sources=(URL, DROP),
    )


def test_operation_forgets_its_secrets_when_it_ends() -> None:
    running = an_operation().moved(Stage.FETCH, "t1")

    done = running.succeeded(UpdateId("acme", "kiosk", "1.0"), "t2")
    lost = running.failed(InvalidInput("Wrong."), "t2")

    for ended in (done, lost):
        assert ended.is_finished
        assert ended.stage is Stage.END
        assert "sealed" not in repr(ended)
        assert ended.sources[1] == DROP
    assert (running.status, running.is_finished) == (OperationStatus.RUNNING, False)
    assert "sealed-file" in repr(running.sources[0].files)


def test_failure_keeps_details_and_inner_errors() -> None:
    inner = InvalidInput("Inner.", code="SizeMismatch", target="a")
    error = Conflict("Outer.", code="Outer", details=(InvalidInput("Detail."),), inner=inner)

    failure = Failure.of(error)

    assert failure == Failure(
        code="Outer",
        message="Outer.",
        target=None,
        details=(Failure("InvalidArgument", "Detail."),),
        inner=Failure("SizeMismatch", "Inner.", "a"),
    )


def test_each_try_of_a_stage_is_counted_and_the_next_stage_begins_anew() -> None:
    first = an_operation().begun(Stage.FETCH, "t1")
    second = first.begun(Stage.FETCH, "t2")
    scanning = second.begun(Stage.SCAN, "t3")

    assert [each.turn for each in (first, second, scanning)] == [
        (Stage.FETCH, 1),
        (Stage.FETCH, 2),
        (Stage.SCAN, 1),
    ]
    assert (second.status, second.changed_at) == (OperationStatus.RUNNING, "t2")
    moved = first.moved(Stage.SCAN, "t4", bytes_done=5)
    assert (moved.stage, moved.tries, moved.bytes_done) == (Stage.SCAN, 1, 5)


def test_end_of_an_operation_is_kept_with_its_time_and_outcome() -> None:
    update_id = UpdateId("acme", "kiosk", "1.0")
    error = InvalidInput("Wrong.")

    done, lost = an_operation().succeeded(update_id, "t2"), an_operation().failed(error, "t3")

    assert (done.status, done.update_id, done.changed_at, done.failure) == (
        OperationStatus.SUCCEEDED,
        update_id,
        "t2",
        None,
    )
    assert (lost.status, lost.update_id, lost.changed_at, lost.failure) == (
        OperationStatus.FAILED,
        None,
        "t3",
        Failure.of(error),
    )
    (url, drop) = done.sources
    assert (url.manifest, url.files, url.manifest_sha256) == ("", {}, "hash")
    assert drop is DROP
