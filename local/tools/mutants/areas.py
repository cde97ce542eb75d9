"""The rules that are mutated, area by area, with the tests that are to notice."""

from __future__ import annotations

from dataclasses import dataclass

_AGENT, _AGENT_IN_COPY = "agent/odu_agent", "src/odu_agent"


def placed(path: str) -> str:
    """Where a file lies in a copy: mutmut takes the path of a module for its name, `src` apart, and
    the agent is no part of a package `agent`.
    """
    return path.replace(_AGENT, _AGENT_IN_COPY, 1) if path.startswith(_AGENT) else path


@dataclass(frozen=True, slots=True)
class Area:
    """Modules that belong together, as patterns below the repository, and paths of tests."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def source(self) -> str:
        """The package that holds the modules, as `placed` in a copy."""
        return _AGENT_IN_COPY if self.modules[0].startswith(_AGENT) else "shared"

    @property
    def patterns(self) -> tuple[str, ...]:
        """The modules, as placed in a copy."""
        return tuple(map(placed, self.modules))


_DOMAIN, _FLEET = "tests/unit/domain/", "shared/domain/fleet/"
_SERVICES, _ROLLOUTS = "tests/unit/services/", "tests/unit/domain/rollouts"


def _fleet(name: str, *tests: str) -> Area:
    return Area(name, (f"{_FLEET}{name}.py",), tuple(_DOMAIN + test for test in tests))


def _of(folder: str, *modules: str) -> tuple[str, ...]:
    return tuple(f"{folder}{module}.py" for module in modules)


_DECISIONS = _of(_DOMAIN, "test_decisions", "test_follow_ups")


def _rollouts(name: str, *tests: str) -> Area:
    return Area(f"rollouts_{name}", (f"shared/domain/rollouts/{name}.py",), (_ROLLOUTS, *tests))


AREAS = (
    _fleet("completion", "test_completion.py"),
    _fleet("device_class", "test_device_class.py"),
    _fleet("refusal", "test_refusal.py", "test_device_reports.py"),
    _fleet("rollback", "test_rollback.py"),
    _fleet(
        "counters", "test_counters.py", "test_counter_names.py", "test_rules.py", "test_device.py"
    ),
    _fleet("registers", "test_registers.py", "test_device.py", "test_rules.py"),
    _fleet(
        "evidence",
        "test_evidence.py",
        "test_device.py",
        "test_device_reports.py",
        "test_refusal.py",
        "test_retry_count.py",
        "test_rules.py",
        "test_split_reports.py",
    ),
    _fleet(
        "device",
        "test_evidence.py",
        "test_device.py",
        "test_device_reports.py",
        "test_device_history.py",
        "test_retry_count.py",
        "test_rules.py",
        "test_split_reports.py",
    ),
    _fleet(
        "deployment",
        "test_deployment_rules.py",
        "test_deployment.py",
    ),
    _fleet("compliance", "test_compliance.py", "test_counters.py"),
    _fleet("log_collection", "test_log_collection.py"),
    Area(
        "reconcile",
        _of(_FLEET, "reconcile", "reconcile_decision"),
        (*_DECISIONS, *_of(_DOMAIN, "test_retry_count", "test_rules")),
    ),
    Area(
        "taking_back",
        _of(_FLEET, "taking_back", "supersession"),
        (*_DECISIONS, *_of(_DOMAIN, "test_supersession", "test_rules")),
    ),
    Area(
        "windows",
        _of(_FLEET, "windows", "whereabouts"),
        (
            f"{_ROLLOUTS}/test_device_zone.py",
            *_DECISIONS,
            *_of(_SERVICES, "test_windows_of_devices", "test_device_filters"),
        ),
    ),
    Area(
        "asking",
        _of(_FLEET, "asking", "asking_time", "command", "orders"),
        (
            *_DECISIONS,
            *_of(_DOMAIN, "test_deployment", "test_rules", "test_retry_count"),
            *_of(_SERVICES, "test_device_orders", "test_own_deployments"),
        ),
    ),
    Area(
        "orders",
        _of(_FLEET, "device_orders", "explain", "missed"),
        _of(
            _SERVICES,
            "test_device_orders",
            "test_own_deployments",
            "test_class_admission",
            "test_windows_of_devices",
            "test_missed_devices",
        ),
    ),
    _fleet("command_size", "test_command_size.py"),
    _fleet("device_history", "test_device_history.py"),
    _fleet("health", "test_health.py"),
    _fleet("names", "test_names.py", "test_device.py"),
    _fleet("failure", "test_failure.py"),
    _fleet("twin_content", "test_device_reports.py", "test_split_reports.py", "test_health.py"),
    Area(
        "listing",
        _of(_FLEET, "listing", "queries", "device_details"),
        (
            *_of(_DOMAIN, "test_filters", "test_device_details"),
            *_of(_SERVICES, "test_device_filters", "test_hub_refusals"),
        ),
    ),
    Area(
        "recount",
        _of(_FLEET, "recount", "reported_class", "trend"),
        _of(_SERVICES, "test_recount", "test_class_admission", "test_overviews"),
    ),
    Area(
        "rollout_controls",
        _of(_FLEET, "rollout_controls", "rollout_figures", "deployment_edit"),
        (_ROLLOUTS, *_of(_SERVICES, "test_rollout_controls", "test_rollout_run")),
    ),
    Area(
        "limits",
        _of("shared/domain/", "limits", "token_bucket"),
        _of(_DOMAIN, "test_limits", "test_limit_settings"),
    ),
    Area(
        "operation",
        ("shared/domain/operation.py",),
        (_DOMAIN + "test_operation.py", _SERVICES + "test_sweep.py"),
    ),
    Area("instant", ("shared/domain/instant.py",), (_DOMAIN + "test_instant.py",)),
    Area("retention", ("shared/domain/retention.py",), (_SERVICES + "test_retention.py",)),
    Area(
        "audit",
        (*_of("shared/domain/", "audit"), *_of("shared/contract/", "audit_chain")),
        _of(_SERVICES, "test_audit", "test_audit_entries"),
    ),
    Area(
        "refused_events",
        _of("shared/domain/", "refused_events", "dead_letter"),
        (_SERVICES + "test_refusals.py", _SERVICES + "test_relay.py"),
    ),
    Area("access", ("shared/domain/access.py",), (_DOMAIN + "test_access.py",)),
    Area("update_id", ("shared/domain/updates/update_id.py",), ("tests/unit/test_update_id.py",)),
    Area(
        "source_url", ("shared/domain/updates/source_url.py",), ("tests/unit/test_source_url.py",)
    ),
    Area(
        "updates",
        ("shared/domain/updates/*",),
        ("tests/unit/imports", _DOMAIN + "test_update.py", "tests/unit/test_update_id.py"),
    ),
    Area(
        "keyring",
        ("shared/domain/updates/keyring.py",),
        ("tests/unit/signing", _DOMAIN + "test_rollback.py"),
    ),
    Area(
        "import_manifest",
        _of(
            "shared/domain/updates/",
            "import_manifest",
            "import_manifest_checks",
            "schema_check",
            "file_name",
            "import_item",
        ),
        ("tests/unit/imports",),
    ),
    Area(
        "delta",
        _of("shared/domain/updates/", "delta", "delta_outcome"),
        (_SERVICES + "test_deltas.py",),
    ),
    Area("update", ("shared/domain/updates/update.py",), (_DOMAIN + "test_update.py",)),
    _rollouts("evaluation", _SERVICES + "test_rollout_scenarios.py"),
    *(
        _rollouts(name)
        for name in (
            "durations",
            "edit",
            "figures",
            "plan",
            "request",
            "selection",
            "specification",
            "transition",
            "view",
            "windows",
        )
    ),
    *(
        _rollouts(name, _SERVICES + "test_rollout_run.py", _SERVICES + "test_rollout_laws.py")
        for name in ("ledger", "pace", "progress")
    ),
    Area("rollouts", ("shared/domain/rollouts/*",), (_DOMAIN + "rollouts", "tests/unit/services")),
    Area(
        "domain",
        ("shared/domain/*",),
        ("tests/unit/domain", "tests/unit/imports", "tests/unit/services"),
    ),
    *(
        Area(name, (f"shared/contract/{name}.py",), (f"tests/unit/contract/test_{name}.py",))
        for name in (
            "codes",
            "compatibility",
            "encoding",
            "manifest",
            "rootkeys",
            "signature",
            "strictjson",
            "visible",
        )
    ),
    Area(
        "erc",
        _of("shared/contract/", "erc", "erc_meaning"),
        ("tests/unit/contract/test_codes.py", "tests/unit/test_contract_table.py"),
    ),
    Area("twin", ("shared/contract/twin.py",), ("tests/unit/contract/test_twin.py",)),
    *(
        Area(
            f"agent_{name}", (f"agent/odu_agent/{name}.py",), (f"tests/unit/agent/test_{test}.py",)
        )
        for name, test in (
            ("verification", "verification"),
            ("workflow", "workflow"),
            ("deployment", "deployment"),
            ("desired", "desired"),
            ("plan", "deployment"),
            ("state", "config"),
            ("reporting", "hardening"),
            ("unfinished", "unfinished"),
            ("redaction", "config"),
        )
    ),
)
