"""Automatic device configurations: desired properties for every device that a condition selects.

The highest priority wins, the newest among equals; a device that leaves loses the settings. As with
the real hub, devices are looked at shortly after a change and then at a steady rhythm.
"""

from __future__ import annotations

import asyncio
import base64
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError, invalid, precondition_failed
from local.cloud.iothub.job_records import read_condition
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.query import parse_query
from local.cloud.iothub.query_run import count_rows
from local.cloud.iothub.records import Key, scan, twin_view
from local.cloud.iothub.registry import check_key, matches
from local.cloud.iothub.twin import new_twin, patch_twin

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.iothub.hub import Hub
    from local.cloud.iothub.query_values import Expression
    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Json

_PATH = "properties.desired"


class Content(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Values by the path they are set at, such as `properties.desired.a.b`."""

    device_content: dict[str, Any] | None = None
    module_content: dict[str, Any] | None = None


class Configuration(msgspec.Struct, frozen=True, rename="camel"):
    """One configuration, stored as the API shows it."""

    id: str
    content: Content
    target_condition: str = ""
    priority: int = 0
    labels: dict[str, str] | None = None
    metrics: dict[str, Any] | None = None
    schema_version: str | None = None
    etag: str = ""
    created_time_utc: str = ""
    last_updated_time_utc: str = ""

    @property
    def metric_queries(self) -> dict[str, str]:
        """The queries whose numbers of rows are the configuration's own metrics, by name."""
        return dict((self.metrics or {}).get("queries") or {})

    @property
    def settings(self) -> Json:
        """The desired properties that the content stands for, nested."""
        settings: Json = {}
        content = self.content.device_content or self.content.module_content or {}
        for path, value in sorted(content.items()):
            _set(settings, path, value)
        return settings


class _Target(NamedTuple):
    configuration: Configuration
    selects: Expression
    modules: bool


class _Step(NamedTuple):
    """What has to change for one identity: configurations with status, and a merge patch."""

    key: Key
    statuses: dict[str, str]
    patch: Json


class Configurations:
    """Keeps configurations and applies them.

    Args:
        hub: whose twins are changed.
        interval: seconds between two looks at all devices.
    """

    def __init__(self, hub: Hub, interval: float) -> None:
        self._hub = hub
        self._interval = interval
        self._changed = asyncio.Event()

    async def put(self, name: str, body: object, if_match: str | None) -> Json:
        """Create a configuration, or change its condition, priority, labels and metrics.

        Raises:
            HubError: 400, 403 (too many), 404, 409 or 412.
        """
        given = _parse(name, body)
        most = limits.configurations(self._hub.settings.sku)

        def write(tx: Transaction) -> Configuration:
            present = {each.id: each for each in _all(tx.connection)}
            old = present.get(name)
            if old is None and len(present) >= most:
                raise HubError(403, "ConfigurationCountLimitExceeded", f"There are {most} already.")
            saved = _revised(tx, given, old, if_match)
            tx.execute(
                "INSERT OR REPLACE INTO configurations VALUES (?, ?)",
                name,
                msgspec.json.encode(saved),
            )
            tx.after_commit(self._changed.set)
            return saved

        await self._hub.store.write(write)
        return await self.get(name)

    async def delete(self, name: str, if_match: str | None) -> None:
        """Delete a configuration; its settings go with the next look at the devices.

        Raises:
            HubError: 404 or 412.
        """

        def write(tx: Transaction) -> None:
            old = _find(tx.connection, name)
            if not matches(if_match, old.etag):
                raise precondition_failed(if_match or "")
            tx.execute("DELETE FROM configurations WHERE id = ?", name)
            tx.execute(
                "INSERT OR REPLACE INTO removed_configurations VALUES (?, ?)",
                name,
                msgspec.json.encode(old),
            )
            tx.after_commit(self._changed.set)

        await self._hub.store.write(write)

    async def get(self, name: str) -> Json:
        """Return a configuration with its system metrics.

        Raises:
            HubError: 404.
        """
        return await self._hub.store.read(lambda db: _view(db, _find(db, name)))

    async def find(self, top: int) -> list[Json]:
        """Return up to `top` configurations."""
        return await self._hub.store.read(lambda db: [_view(db, each) for each in _all(db)[:top]])

    async def run(self) -> None:
        """Apply configurations for ever."""
        while True:
            self._changed.clear()
            await self._apply()
            try:
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _apply(self) -> None:
        for step in await self._hub.store.query(_steps):
            await self._hub.throttle.delay(Meter.TWIN_UPDATES)
            await self._hub.store.write(partial(self._take, step=step))
        await self._hub.store.write(_forget_removed)

    def _take(self, tx: Transaction, step: _Step) -> None:
        tx.execute(
            "DELETE FROM applied_configurations WHERE device_id = ? AND module_id = ?", *step.key
        )
        try:
            if step.patch:
                body = {"properties": {"desired": step.patch}}
                self._hub.twins.patch(tx, step.key, body, "*")
        except HubError:
            return  # deleted since, or the settings do not fit: looked at again next time
        for name, status in step.statuses.items():
            tx.execute(
                "INSERT INTO applied_configurations VALUES (?, ?, ?, ?)", *step.key, name, status
            )


def _set(settings: Json, path: str, value: object) -> None:
    """Set a value at a path, whose parents come before it or are missing.

    Raises:
        HubError: 400, the path is not one of desired properties or has a parent with a plain value.
    """
    if not f"{path}.".startswith(f"{_PATH}."):
        raise invalid(f"content sets {path!r}, which is not below {_PATH}.")
    names = path.split(".")[2:]
    level: Any = settings
    for name in names[:-1]:
        level = level.setdefault(name, {}) if isinstance(level, dict) else None
    if not isinstance(level, dict) or (not names and not isinstance(value, dict)):
        raise invalid(f"content cannot set {path!r}.")
    level.update({names[-1]: value} if names else cast("Json", value))


def _parse(name: str, body: object) -> Configuration:
    check_key(name)
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if value is not None}
    try:
        given = msgspec.convert(body, Configuration)
    except msgspec.ValidationError as error:
        raise invalid(f"The configuration is malformed: {error}.") from error
    if given.id != name:
        raise invalid("id of the body differs from that of the address.")
    content = given.content
    if bool(content.device_content) is bool(content.module_content):
        raise invalid("content must have either deviceContent or moduleContent.")
    queries = (given.metrics or {}).get("queries") or {}
    if not isinstance(queries, dict) or not all(isinstance(each, str) for each in queries.values()):
        raise invalid("metrics.queries must be an object of queries.")
    for query in queries.values():
        parse_query(query)
    patch_twin(new_twin(""), {"properties": {"desired": given.settings}}, "")
    _, modules = read_condition(given.target_condition)
    if modules is not bool(content.module_content):
        raise invalid("moduleContent needs a target condition FROM devices.modules.")
    return given


def _revised(
    tx: Transaction, given: Configuration, old: Configuration | None, if_match: str | None
) -> Configuration:
    if old is None and if_match is not None:
        raise HubError(404, "ConfigurationNotFound", f"There is no configuration {given.id!r}.")
    if old is not None and if_match is None:
        raise HubError(409, "ConfigurationAlreadyExists", f"{given.id!r} exists already.")
    if old is not None and not matches(if_match, old.etag):
        raise precondition_failed(if_match or "")
    if old is not None and old.content != given.content:
        raise invalid("The content of a configuration cannot be changed.")
    number = int(base64.b64decode(old.etag)) + 1 if old else 1
    return msgspec.structs.replace(
        given,
        etag=base64.b64encode(str(number).encode()).decode(),
        created_time_utc=old.created_time_utc if old else tx.now,
        last_updated_time_utc=tx.now,
    )


def _all(db: sqlite3.Connection, table: str = "configurations") -> list[Configuration]:
    rows = db.execute(f"SELECT document FROM {table} ORDER BY id")  # noqa: S608 - fixed names
    return [msgspec.json.decode(row[0], type=Configuration) for row in rows]


def _find(db: sqlite3.Connection, name: str) -> Configuration:
    row = db.execute("SELECT document FROM configurations WHERE id = ?", (name,)).fetchone()
    if row is None:
        raise HubError(404, "ConfigurationNotFound", f"There is no configuration {name!r}.")
    return msgspec.json.decode(row[0], type=Configuration)


def _view(db: sqlite3.Connection, configuration: Configuration) -> Json:
    counts = dict(
        db.execute(
            "SELECT status, count(*) FROM applied_configurations WHERE configuration_id = ?"
            " GROUP BY status",
            (configuration.id,),
        ).fetchall()
    )
    applied = counts.get("Applied", 0)
    results = {"appliedCount": applied, "targetedCount": applied + counts.get("Targeted", 0)}
    view: Json = msgspec.to_builtins(configuration)
    queries = configuration.metric_queries
    source = "devices.modules" if configuration.content.module_content else "devices"
    where = f"configurations.[[{configuration.id}]].status"
    select = " ".join(("SELECT deviceId FROM", source, "WHERE", where))
    system = {
        "appliedCount": f"{select} = 'Applied'",
        "targetedCount": f"{select} IN ['Applied', 'Targeted']",
    }
    return view | {
        "metrics": {
            "results": {name: count_rows(db, text) for name, text in queries.items()},
            "queries": queries,
        },
        "systemMetrics": {"results": results, "queries": system},
    }


def _steps(db: sqlite3.Connection) -> list[_Step]:
    """Compare what applies to every identity with what should."""
    configurations = sorted(_all(db), key=lambda each: each.created_time_utc, reverse=True)
    configurations.sort(key=lambda each: each.priority, reverse=True)
    targets = [_Target(each, *read_condition(each.target_condition)) for each in configurations]
    known = {each.id: each for each in (*_all(db, "removed_configurations"), *configurations)}
    present: dict[Key, dict[str, str]] = {}
    for device_id, module_id, name, status in db.execute("SELECT * FROM applied_configurations"):
        present.setdefault(Key(device_id, module_id), {})[name] = status
    if not targets and not present:
        return []
    steps = []
    for modules in (False, True):
        for record in scan(db, Key(""), modules=modules):
            view = twin_view(record)
            chosen = [
                target.configuration.id
                for target in targets
                if target.modules is modules and target.selects(view) is True
            ]
            wanted = dict.fromkeys(chosen, "Targeted") | dict.fromkeys(chosen[:1], "Applied")
            now = present.get(record.key, {})
            if wanted != now:
                steps.append(_Step(record.key, wanted, _patch(known, now, wanted)))
    return steps


def _patch(known: dict[str, Configuration], now: dict[str, str], wanted: dict[str, str]) -> Json:
    """Return the merge patch from one applied configuration to another."""
    old, new = (
        next((known[name].settings for name, status in each.items() if status == "Applied"), {})
        for each in (now, wanted)
    )
    return {} if old == new else _difference(old, new)


def _difference(old: Json, new: Json) -> Json:
    patch: Json = {}
    for name in old.keys() - new.keys():
        patch[name] = None
    for name, value in new.items():
        former = old.get(name)
        if isinstance(value, dict) and isinstance(former, dict):
            patch[name] = _difference(former, value)
        else:
            patch[name] = value
    return patch


def _forget_removed(tx: Transaction) -> None:
    tx.execute(
        "DELETE FROM removed_configurations WHERE id NOT IN"
        " (SELECT configuration_id FROM applied_configurations)"
    )
