"""Puts together what `stack.json` tells of a running stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.identity.tokens import COMMAND_LINE_CLIENT, LOCAL_TENANT, token_endpoint_of
from local.stack.parts import IMPORT_DROP_CONTAINER, INSTANCE, TOKEN_AUDIENCE, Site, hub_part
from local.stack.running import Hub, Stack, TokenClient

if TYPE_CHECKING:
    from collections.abc import Mapping


def describe(site: Site, storage: str, ports: Mapping[str, int], pids: Mapping[str, int]) -> Stack:
    """Return the description of a stack; `storage` is Azurite's connection string."""
    return Stack(
        endpoint=site.url("host"),
        instance=INSTANCE,
        ca_file=str(site.state.ca),
        iot_hub_connection_string=site.hub_connection_string(INSTANCE),
        storage_connection_string=storage,
        event_grid_topic_endpoint=site.topic_endpoint,
        event_grid_topic_key=site.credentials.event_grid,
        import_drop_container=IMPORT_DROP_CONTAINER,
        console_url=site.console_url,
        pids=dict(pids),
        ports=dict(ports),
        state=str(site.state.path),
        roots_file=str(site.state.keys / "roots.json"),
        tokens=TokenClient(
            endpoint=token_endpoint_of(site.url("identity")),
            client_id=COMMAND_LINE_CLIENT,
            client_secret=site.credentials.identity_client,
            scope=f"{TOKEN_AUDIENCE}/.default",
        ),
        token_issuer=site.token_issuer,
        token_audience=TOKEN_AUDIENCE,
        token_tenant=LOCAL_TENANT,
        event_grid_endpoint=site.url("eventgrid"),
        event_grid_admin_key=site.credentials.event_grid_admin,
        host_master_key=site.credentials.host_master,
        identity_admin_key=site.credentials.identity_admin,
        hubs={
            instance: Hub(site.hub_connection_string(instance), site.port(hub_part(instance)))
            for instance in site.options.instances
        },
    )
