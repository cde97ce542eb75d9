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
