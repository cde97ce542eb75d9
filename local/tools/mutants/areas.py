"""The rules that are mutated, area by area, with the tests that are to notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """Modules that belong together, as patterns below the repository, and paths of tests."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def source(self) -> str:
        """The package that holds the modules."""
        return "agent/odu_agent" if self.modules[0].startswith("agent/") else "shared"


_DOMAIN, _FLEET = "tests/unit/domain/", "shared/domain/fleet/"


def _fleet(name: str, *tests: str) -> Area:
    return Area(name, (f"{_FLEET}{name}.py",), tuple(_DOMAIN + test for test in tests))


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
        "test_device.py",
        "test_device_reports.py",
        "test_refusal.py",
        "test_retry_count.py",
        "test_rules.py",
    ),
    _fleet(
        "device",
        "test_device.py",
        "test_device_reports.py",
        "test_device_history.py",
        "test_retry_count.py",
        "test_rules.py",
    ),
    _fleet("deployment", "test_deployment.py", "test_rollback_policy.py", "test_rules.py"),
    _fleet("compliance", "test_compliance.py", "test_counters.py"),
    _fleet("log_collection", "test_log_collection.py"),
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
    Area("rollouts", ("shared/domain/rollouts/*",), (_DOMAIN + "rollouts", "tests/unit/services")),
    Area(
        "domain",
        ("shared/domain/*",),
        ("tests/unit/domain", "tests/unit/imports", "tests/unit/services"),
    ),
    *(
        Area(name, (f"shared/contract/{name}.py",), (f"tests/unit/contract/test_{name}.py",))
        for name in ("compatibility", "encoding", "manifest", "rootkeys", "signature", "strictjson")
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
        )
    ),
)
