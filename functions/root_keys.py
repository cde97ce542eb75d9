"""The root key package: public, for devices fetch it before they trust a manifest."""

import azure.functions as func

from functions.api import problem
from shared.container import container
from shared.domain.errors import NotFound

bp = func.Blueprint()


@bp.route(
    route="deviceUpdate/{instanceId}/rootKeys/{fileName}",
    methods=["GET"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
async def get_root_keys(req: func.HttpRequest) -> func.HttpResponse:
    """Read the root key package."""
    app = container()
    if req.route_params["instanceId"] not in app.settings.instances:
        return problem(NotFound("There is no such instance.", target="instanceId"))
    return func.HttpResponse(
        await app.signer.root_key_package(),
        mimetype="application/json",
        headers={"Cache-Control": "public, max-age=300"},
    )
