"""The keyring's public face: devices fetch the root key package before they trust a manifest."""

import logging

import azure.functions as func

from shared.container import container
from shared.domain.errors import DeviceUpdateError

bp = func.Blueprint()
log = logging.getLogger(__name__)


@bp.route(
    route="deviceUpdate/{instanceId}/rootKeys/{fileName}",
    methods=["GET"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
async def get_root_keys(req: func.HttpRequest) -> func.HttpResponse:
    """Read the root key package: the same for every name, so that nobody learns which exist."""
    try:
        keyring = await container().updates.signing.keyring()
    except DeviceUpdateError as error:
        from functions.api import problem

        return problem(error)
    return func.HttpResponse(
        keyring.root_key_package,
        mimetype="application/json",
        # an old copy kept on the way would have devices trust a revoked key
        headers={"Cache-Control": "no-store"},
    )
