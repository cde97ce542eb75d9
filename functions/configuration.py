"""REST: what the service is set up with: settings, scanners, signing keys. Read only."""

from dataclasses import asdict
from datetime import UTC, datetime

from functions.api import Api, Call
from shared.domain.access import Action
from shared.http.models import operating as models

api = Api()


@api.operation("GET", "management/settings", Action.MANAGEMENT_READ, is_additional=True)
async def get_settings(call: Call) -> models.ServiceSettings:
    """Read the settings of the service that operators may need to know."""
    settings = call.app.settings
    instance = settings.instances[call.instance]
    return models.ServiceSettings(
        iot_hub=instance.hub_host,
        diagnostics_container=instance.diagnostics_container,
        limits={_camel(name): value for name, value in asdict(settings.limits).items()},
        requests_per_minute=asdict(settings.budget),
        page_size=settings.page_size,
        hub_commands_per_second=settings.hub_commands_per_second,
        hub_reads_per_second=settings.hub_reads_per_second,
        hub_queries_per_minute=settings.hub_queries_per_minute,
        download_link_hours=settings.link_hours,
        import_drop_wait_seconds=settings.drop_wait_seconds,
        scan_engines=list(settings.scan.engines),
        publishes_customer_events=bool(settings.customer_topic_endpoint),
        retention_days={
            **{
                name.removesuffix("_days"): days
                for name, days in asdict(settings.retention).items()
            },
            "audit": settings.retention.audit_days_in_force,
        },
    )


@api.operation("GET", "management/scanners", Action.MANAGEMENT_READ, is_additional=True)
async def list_scanners(call: Call) -> models.ScannerList:
    """List the malware scanners in use with their versions, and the last re-scan."""
    known = {item.engine: item for item in await call.app.scanning.engines.knowledge()}
    page = await call.app.ports.operations.list(call.instance, None, size=1, kind="rescan")
    last = page.items[0].value if page.items else None
    return models.ScannerList(
        value=[
            models.ScannerState(
                engine=engine,
                engine_version=known[engine].engine_version if engine in known else None,
                rules_version=known[engine].rules_version if engine in known else None,
            )
            for engine in (item.engine for item in call.app.scanning.engines.engines)
        ],
        last_rescan_operation_id=last.operation_id if last else None,
        last_rescan_status=last.status.value if last else None,
        last_rescan_date_time=last.changed_at if last else None,
    )


@api.operation("GET", "management/keys", Action.MANAGEMENT_READ, is_additional=True)
async def list_signing_keys(call: Call) -> models.SigningKeys:
    """List the keys that sign and have signed update manifests."""
    from shared.contract.rootkeys import parse_root_key_package  # loads cryptography

    keyring = await call.app.updates.signing.keyring()
    package = parse_root_key_package(keyring.root_key_package.encode())
    disabled = {item.hash for item in package.disabled_signing_keys}
    expires = package.expires
    return models.SigningKeys(
        value=[
            models.SigningKey(
                key_id=kid, is_current=kid == keyring.kid, is_disabled=digest in disabled
            )
            for kid, digest in keyring.key_hashes.items()
        ],
        edition=keyring.edition,
        root_key_version=keyring.root_key_version,
        changed_date_time=keyring.changed_at,
        changed_by=keyring.changed_by,
        package_expires_date_time=datetime.fromtimestamp(expires, UTC).isoformat()
        if expires is not None
        else None,
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
