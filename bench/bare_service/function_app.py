"""What four first calls need at least: the same triggers, SDKs and storage calls, and no rules."""

import json
import os
import typing

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_STORAGE = "AzureWebJobsStorage"
_state: dict[str, typing.Any] = {}


def _tables() -> typing.Any:
    if "tables" not in _state:
        from azure.data.tables.aio import TableServiceClient

        address = os.environ[_STORAGE]
        _state["tables"] = TableServiceClient.from_connection_string(address)
    return _state["tables"]


async def _check(request: func.HttpRequest) -> None:
    import aiohttp
    import jwt

    token = request.headers["Authorization"].removeprefix("Bearer ")
    async with aiohttp.ClientSession() as session, session.get(os.environ["BARE_KEYS"]) as answer:
        keys = jwt.PyJWKSet.from_dict(await answer.json(content_type=None)).keys
    wanted = jwt.get_unverified_header(token)["kid"]
    key = next(each for each in keys if each.key_id == wanted)
    jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        audience=os.environ["BARE_AUDIENCE"],
        issuer=os.environ["BARE_ISSUER"],
    )


@app.route(route="bare/read", methods=["GET"])
async def read(req: func.HttpRequest) -> func.HttpResponse:
    """Check the token and read a page of a table."""
    await _check(req)
    rows = _tables().get_table_client("DeviceClasses").query_entities("PartitionKey eq 'local'")
    found = [row async for row in rows]
    return func.HttpResponse(json.dumps({"value": len(found)}), mimetype="application/json")


@app.route(route="bare/write", methods=["POST"])
async def write(req: func.HttpRequest) -> func.HttpResponse:
    """Check the token, write a row and a message."""
    await _check(req)
    from azure.storage.queue.aio import QueueClient

    document = req.get_json()
    table = _tables().get_table_client("Operations")
    row = {"PartitionKey": "bare", "RowKey": document["id"], "doc0": json.dumps(document)}
    await table.create_entity(row)
    address = os.environ[_STORAGE]
    async with QueueClient.from_connection_string(address, "bare-out") as queue:
        await queue.send_message(document["id"])
    return func.HttpResponse(status_code=202)


@app.event_grid_trigger(arg_name="event")
async def fold(event: func.CloudEvent) -> None:
    """Read a row and write two in one transaction."""
    data = event.get_json()
    table = _tables().get_table_client("Devices")
    query = f"PartitionKey eq 'bare' and RowKey eq '{data['id']}'"
    _ = [row async for row in table.query_entities(query)]
    rows = ({"PartitionKey": "bare", "RowKey": data["id"] + each, "doc0": ""} for each in ("", "c"))
    await table.submit_transaction([("upsert", row) for row in rows])


@app.queue_trigger(arg_name="message", queue_name="bare-in", connection="AzureWebJobsStorage")
async def reconcile(message: func.QueueMessage) -> None:
    """Read the rows of two tables."""
    for name in ("Deployments", "Devices"):
        rows = _tables().get_table_client(name).query_entities("PartitionKey eq 'local'")
        _ = [row async for row in rows]
