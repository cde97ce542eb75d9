"""The values that tie the parts together: roles, ports, connection strings, subscriptions, logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from local.stack.azurite import announced_ports, connection_string
from local.stack.credentials import Credentials, ensure_credentials
from local.stack.errors import NotRunning, PortTaken, StackError
from local.stack.logs import RotatingLog, tail
from local.stack.ports import listen, open_sockets, remember_ports, remembered_ports
from local.stack.roles import ROLES, role_claim
from local.stack.running import Stack
from local.stack.state import StateDirectory
from local.stack.subscriptions import subscription_body, webhook
from shared.topology import EVENT_SUBSCRIPTIONS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text", ["Device Update Content Reader", "DeviceUpdateContentReader", "contentreader"]
)
def test_role_claim_takes_every_spelling(text: str) -> None:
    assert role_claim(text) == "DeviceUpdateContentReader"


def test_role_claim_names_the_instance_when_one_is_given() -> None:
    assert role_claim("reader", "plant-1") == "DeviceUpdateReader/plant-1"


@pytest.mark.parametrize("text", ["", "Owner", "DeviceUpdate", "Reader/plant-1"])
def test_role_claim_lists_the_roles_when_there_is_no_such_one(text: str) -> None:
    with pytest.raises(ValueError, match="there is no role") as caught:
        role_claim(text)

    assert all(role in str(caught.value) for role in ROLES)


def test_open_sockets_takes_the_remembered_ports(tmp_path: Path) -> None:
    state, said = StateDirectory(tmp_path), list[str]()
    first = open_sockets(["a", "b"], {}, {}, said.append)
    ports = {name: listener.getsockname()[1] for name, listener in first.items()}
    remember_ports(state, ports)
    for listener in first.values():
        listener.close()

    second = open_sockets(["a", "b"], remembered_ports(state), {}, said.append)

    assert {name: listener.getsockname()[1] for name, listener in second.items()} == ports
    assert said == []
    for listener in second.values():
        listener.close()


def test_open_sockets_takes_another_port_and_says_so_when_the_remembered_one_is_taken() -> None:
    said = list[str]()
    with listen(0) as other:
        taken = other.getsockname()[1]
        opened = open_sockets(["host"], {"host": taken}, {}, said.append)["host"]

        assert opened.getsockname()[1] != taken
        assert said == [f"host: its earlier port {taken} is taken, using another one"]
        opened.close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_listen_names_a_port_that_is_none(port: int) -> None:
    with pytest.raises(PortTaken, match=f"port {port} cannot be used"):
        listen(port)


def test_connection_string_names_the_ports_that_azurite_announced() -> None:
    ports = announced_ports(
        [
            f"Azurite {name} service is successfully listening at http://127.0.0.1:{port}"
            for name, port in (("Blob", 1001), ("Queue", 1002), ("Table", 1003))
        ]
    )

    fields = dict(part.split("=", 1) for part in connection_string("a2V5", ports).split(";")[:-1])

    assert fields["AccountKey"] == "a2V5"
    assert fields["BlobEndpoint"] == "http://127.0.0.1:1001/odulocal"
    assert fields["QueueEndpoint"] == "http://127.0.0.1:1002/odulocal"
    assert fields["TableEndpoint"] == "http://127.0.0.1:1003/odulocal"


def test_credentials_stay_and_are_private(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)

    first, second = (ensure_credentials(state, ("local", "second")) for _ in range(2))

    assert first == second
    assert first.hub("local") != first.hub("second")
    assert repr(first) == "Credentials(...)"
    assert repr(first.hub("local")) == "HubKeys(...)"
    assert json.loads(state.host_keys.read_text())["master"] == first.host_master
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_credentials_that_are_damaged_are_named(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")

    with pytest.raises(StackError, match=r"credentials\.json is damaged"):
        ensure_credentials(StateDirectory(tmp_path), ())


def test_webhooks_name_the_function_and_carry_the_key_of_their_extension() -> None:
    credentials = Credentials()
    keys = {"event_grid": credentials.host_event_grid, "blob": credentials.host_blobs}
    for subscription in EVENT_SUBSCRIPTIONS:
        url = urlsplit(webhook("https://localhost:1", subscription, credentials))
        query = parse_qs(url.query)

        assert query["code"] == [keys[subscription.kind]]
        assert query["functionName"][0].endswith(subscription.function)
        blob = subscription.kind == "blob"
        assert url.path == "/runtime/webhooks/" + ("blobs" if blob else "EventGrid")
        assert query["functionName"][0].startswith("Host.Functions.") == blob


def test_only_the_services_own_topic_speaks_cloud_events() -> None:
    schemas = {
        subscription.source: subscription_body(subscription, "https://localhost:1/")["schema"]
        for subscription in EVENT_SUBSCRIPTIONS
    }

    assert schemas == {
        "topic": "CloudEventSchemaV1_0",
        "iothub": "EventGridSchema",
        "storage": "EventGridSchema",
        "defender": "EventGridSchema",
    }


def test_log_stays_within_its_bound(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "x.log", maximum_bytes=100)
    for number in range(95):
        log.write(b"line %03d\n" % number)
    log.close()

    assert {path.name for path in tmp_path.iterdir()} == {"x.log", "x.log.1"}
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert tail(tmp_path / "x.log", lines=2) == "line 093\nline 094"


def test_log_goes_on_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = RotatingLog(tmp_path / "x.log")
        log.write(text)
        log.close()

    assert tail(tmp_path / "x.log") == "one\ntwo"


def test_tail_is_empty_when_there_is_no_log(tmp_path: Path) -> None:
    assert tail(tmp_path / "x.log") == ""


def test_load_says_how_to_start_a_stack_when_none_is_up(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"start one: \./odu up"):
        Stack.load(tmp_path)


def test_load_names_a_damaged_description(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")

    with pytest.raises(NotRunning, match=r"stack\.json is damaged"):
        Stack.load(tmp_path)
