from __future__ import annotations

from shared.domain.errors import Conflict, InvalidInput
from shared.domain.operation import Failure, ImportSource, Operation, OperationStatus, Stage
from shared.domain.updates.update_id import UpdateId

URL = ImportSource("url", "sealed-manifest", 5, "hash", "Kiosk", {"apply.sh": "sealed-file"})
DROP = ImportSource("drop", "factory/a.importmanifest.json", None, None, None, {})


def an_operation() -> Operation:
    return Operation(
        "op", "import", OperationStatus.NOT_STARTED, Stage.FETCH, "t0", "t0", "trace", (URL, DROP)
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
        "Outer",
        "Outer.",
        None,
        (Failure("InvalidArgument", "Detail."),),
        Failure("SizeMismatch", "Inner.", "a"),
    )
