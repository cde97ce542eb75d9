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


_SHARED_DOMAIN, _FLEET = "shared/domain/", "shared/domain/fleet/"
_UPDATES, _ROLLING = "shared/domain/updates/", "shared/domain/rollouts/"
_TESTS = "tests/unit/"


def _of(folder: str, *modules: str) -> tuple[str, ...]:
    return tuple(f"{folder}{module}.py" for module in modules)


def _domain(*tests: str) -> tuple[str, ...]:
    return _of("tests/unit/domain/test_", *tests)


def _rollouts(*tests: str) -> tuple[str, ...]:
    return _of("tests/unit/domain/rollouts/test_", *tests)


def _services(*tests: str) -> tuple[str, ...]:
    return _of("tests/unit/services/test_", *tests)


def _fleet(name: str, *tests: str) -> Area:
    return Area(name, _of(_FLEET, name), _domain(*tests))


def _contract(name: str, *modules: str) -> Area:
    return Area(
        name, _of("shared/contract/", *(modules or (name,))), _of("tests/unit/contract/test_", name)
    )


def _agent(name: str, *tests: str) -> Area:
    return Area(
        f"agent_{name}", _of("agent/odu_agent/", name), _of("tests/unit/agent/test_", *tests)
    )


_DECISIONS = _domain("decisions", "follow_ups")

_DEVICES = (
    _fleet("completion", "completion"),
    _fleet("device_class", "device_class"),
    _fleet("refusal", "refusal", "device_reports"),
    _fleet("rollback", "rollback"),
    _fleet("counters", "counters", "counter_names", "rules", "device"),
    _fleet("registers", "registers", "device", "rules"),
    _fleet(
        "evidence",
        "evidence_parts",
        "evidence",
        "device",
        "device_reports",
        "refusal",
        "retry_count",
        "rules",
        "split_reports",
    ),
    _fleet(
        "device",
        "device_rules",
        "evidence",
        "device",
        "device_reports",
        "device_history",
        "retry_count",
        "rules",
        "split_reports",
    ),
    _fleet("compliance", "compliance", "counters"),
    _fleet("log_collection", "log_collection"),
    _fleet("command_size", "command_size"),
    Area("device_history", _of(_FLEET, "device_history", "changes"), _domain("device_history")),
    _fleet("health", "health"),
    _fleet("names", "names", "device"),
    _fleet("failure", "failure"),
    _fleet("kept", "kept_parts", "kept"),
    _fleet("outlived", "outlived"),
    Area(
        "twin_content",
        _of(_FLEET, "twin_content", "twin_section"),
        _domain("device_reports", "split_reports", "health", "device", "rules"),
    ),
    Area(
        "listing",
        (
            *_of(_FLEET, "listing", "queries", "device_details", "export"),
            *_of(_SHARED_DOMAIN, "export_order"),
        ),
        (
            *_domain("filters", "device_details", "kept", "recount_rules"),
            *_services("device_filters", "hub_refusals"),
        ),
    ),
    Area(
        "recount",
        _of(_FLEET, "recount", "reported_class", "trend", "counted"),
        (*_domain("recount_rules", "counted"), *_services("class_admission")),
    ),
)

_DEPLOYMENTS = (
    _fleet("deployment", "deployment_rules", "deployment"),
    Area(
        "reconcile",
        _of(_FLEET, "reconcile", "reconcile_decision"),
        (*_DECISIONS, *_domain("retry_count", "rules")),
    ),
    Area(
        "taking_back",
        _of(_FLEET, "taking_back", "supersession", "open_agent"),
        (*_DECISIONS, *_domain("supersession", "rules")),
    ),
    Area(
        "windows",
        _of(_FLEET, "windows", "whereabouts"),
        (
            *_domain("whereabouts"),
            *_rollouts("device_zone"),
            *_DECISIONS,
            *_services("windows_of_devices"),
        ),
    ),
    Area(
        "asking",
        _of(_FLEET, "asking", "asking_time", "command", "orders"),
        (
            *_DECISIONS,
            *_domain("asking", "deployment", "rules", "retry_count"),
        ),
    ),
    Area(
        "orders",
        _of(_FLEET, "device_orders", "missed"),
        (*_domain("device_orders"), *_services("missed_devices")),
    ),
    Area(
        "explain",
        _of(_FLEET, "explain", "explain_words"),
        (*_domain("explain", "explain_words"), *_services("explain_waits", "explained_phases")),
    ),
    Area(
        "rollout_controls",
        _of(_FLEET, "rollout_controls", "rollout_figures", "deployment_edit"),
        (*_rollouts("controls", "edit", "view"), *_services("rollout_controls", "plan_holds")),
    ),
)

_ROLLOUT_RULES = (
    Area(
        "rollouts_evaluation",
        _of(_ROLLING, "evaluation"),
        (
            *_rollouts("gate", "controls", "wake", "small_counts", "pace", "view"),
            *_services("rollout_scenarios"),
        ),
    ),
    Area(
        "rollouts_plan",
        _of(
            _ROLLING,
            "plan",
            "asking_times",
            "specification",
            "durations",
            "selection",
            "edit",
            "request",
        ),
        _rollouts("plan", "selection", "edit", "widening", "specification"),
    ),
    Area(
        "rollouts_progress",
        _of(_ROLLING, "progress", "ledger", "pace", "transition", "gate", "figures", "view"),
        _rollouts("ledger", "pace", "gate", "small_counts", "view", "controls", "wake"),
    ),
    Area(
        "rollouts_windows",
        _of(_ROLLING, "windows", "window_text", "wake"),
        _rollouts("windows", "wake", "device_zone"),
    ),
)

_UPDATE_RULES = (
    Area("update_id", _of(_UPDATES, "update_id"), _of(_TESTS, "test_update_id")),
    Area("source_url", _of(_UPDATES, "source_url"), _of(_TESTS, "test_source_url")),
    Area(
        "import_manifest",
        _of(
            _UPDATES,
            "import_manifest",
            "import_manifest_checks",
            "import_manifest_schema",
            "schema_check",
            "file_name",
            "import_item",
        ),
        (f"{_TESTS}imports",),
    ),
    Area("delta", _of(_UPDATES, "delta", "delta_limits", "delta_outcome"), _domain("delta_rules")),
    Area("update", _of(_UPDATES, "update", "update_filter"), _domain("update", "update_filter")),
    Area("keyring", _of(_UPDATES, "keyring"), (f"{_TESTS}signing", *_domain("rollback"))),
)

_OTHERS = (
    Area(
        "limits", _of(_SHARED_DOMAIN, "limits", "token_bucket"), _domain("limits", "limit_settings")
    ),
    Area(
        "operation", _of(_SHARED_DOMAIN, "operation"), (*_domain("operation"), *_services("sweep"))
    ),
    Area("instant", _of(_SHARED_DOMAIN, "instant"), _domain("instant")),
    Area("retention", _of(_SHARED_DOMAIN, "retention"), _services("retention")),
    Area(
        "audit",
        (*_of(_SHARED_DOMAIN, "audit"), *_of("shared/contract/", "audit_chain")),
        (*_domain("audit_rules"), *_services("audit")),
    ),
    Area(
        "refused_events",
        _of(_SHARED_DOMAIN, "refused_events", "dead_letter", "domain_event", "event_lag"),
        _services("refusals", "relay"),
    ),
    Area("access", _of(_SHARED_DOMAIN, "access"), _domain("access")),
    Area(
        "events",
        _of(f"{_SHARED_DOMAIN}events/", "catalog", "schema"),
        _domain("event_schema", "event_catalog"),
    ),
    Area(
        "scanning",
        _of(f"{_SHARED_DOMAIN}scanning/", "malware_event", "scan"),
        (*_domain("malware_event"), f"{_TESTS}scanning", *_services("scanning")),
    ),
    Area(
        "errors",
        _of(_SHARED_DOMAIN, "errors"),
        _domain("errors"),
    ),
)

_CONTRACT = (
    *map(
        _contract,
        (
            "codes",
            "compatibility",
            "encoding",
            "manifest",
            "signature",
            "strictjson",
            "twin",
            "visible",
        ),
    ),
    Area(
        "rootkeys",
        _of("shared/contract/", "rootkeys"),
        _of("tests/unit/contract/test_", "rootkeys", "signature", "package_check"),
    ),
    Area(
        "erc",
        _of("shared/contract/", "erc", "erc_meaning"),
        _of(_TESTS, "contract/test_codes", "test_contract_table"),
    ),
    Area(
        "diagnostics",
        _of("shared/contract/", "diagnostics", "package_check"),
        _of(_TESTS, "contract/test_diagnostics", "contract/test_package_check"),
    ),
)

_AGENTS_RULES = (
    _agent("verification", "verification", "a02_freeze", "hardening"),
    _agent("workflow", "workflow", "deployment", "unfinished", "retries"),
    _agent("deployment", "deployment", "workflow"),
    _agent("desired", "desired"),
    _agent("plan", "plan", "deployment", "workflow", "unfinished"),
    _agent("state", "state", "config", "hardening", "unfinished", "verification"),
    _agent("reporting", "hardening", "unfinished"),
    _agent("unfinished", "unfinished"),
    _agent("redaction", "config", "hardening"),
)

AREAS = (
    *_DEVICES,
    *_DEPLOYMENTS,
    *_ROLLOUT_RULES,
    *_UPDATE_RULES,
    *_OTHERS,
    *_CONTRACT,
    *_AGENTS_RULES,
)
