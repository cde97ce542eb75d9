"""Probes for whoever watches the app: anonymous, and so without any detail.

`/health/live` answers while the process can answer at all; `/health/ready` asks storage, and
answers 503 where no request could be served; `/health` tells in one word how everything stands.
"""

import json
from http import HTTPStatus

import azure.functions as func

from shared.container import container
from shared.version import VERSION

bp = func.Blueprint()


@bp.route(route="health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_liveness(req: func.HttpRequest) -> func.HttpResponse:
    """Say that the process is alive: nothing else is asked."""
    return _answer({"status": "Healthy"}, HTTPStatus.OK)


@bp.route(route="health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_readiness(req: func.HttpRequest) -> func.HttpResponse:
    """Say whether requests can be served."""
    if await container().maintenance.service_health.is_ready():
        return _answer({"status": "Healthy"}, HTTPStatus.OK)
    return _answer({"status": "Unhealthy"}, HTTPStatus.SERVICE_UNAVAILABLE)


@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def get_health(req: func.HttpRequest) -> func.HttpResponse:
    """Say how the service and what it depends on stand; `operations/health` has the details."""
    from functions.operations import status_of

    health = container().maintenance.service_health
    status = status_of([*await health.stores(), *await health.others()])
    is_down = status == "Unhealthy"
    return _answer(
        {"status": status, "version": VERSION},
        HTTPStatus.SERVICE_UNAVAILABLE if is_down else HTTPStatus.OK,
    )


def _answer(body: dict[str, str], status: HTTPStatus) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(body),
        status_code=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store"},
    )
