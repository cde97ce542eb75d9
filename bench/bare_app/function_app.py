"""One function that touches nothing: what the Functions host itself can serve."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="bare", methods=["GET"])
async def answer(req: func.HttpRequest) -> func.HttpResponse:
    """Answer."""
    return func.HttpResponse("{}", mimetype="application/json")
