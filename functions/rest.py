"""The one HTTP trigger of the REST API: finds the operation and has it served.

The operations are loaded at the first request, so that the start of other triggers does not wait
for them.
"""

import azure.functions as func

bp = func.Blueprint()


@bp.route(
    route="deviceUpdate/{*path}",
    methods=["GET", "PUT", "POST", "PATCH", "DELETE"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
async def rest(req: func.HttpRequest) -> func.HttpResponse:
    """Serve a request to the REST API."""
    from functions.resources import serve

    return await serve(req)
