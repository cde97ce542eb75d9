"""A function app with every kind of trigger that the host knows.

It tells the tests through an HTTP collector what happens to it, and waits there where a test asks
for it.
"""

import asyncio
import json
import logging
import os
import typing
import urllib.request

import aiohttp
import azure.functions as func

app = func.FunctionApp()


async def report(function: str, **facts: typing.Any) -> None:
    async with aiohttp.ClientSession() as session:
        await session.post(f"{os.environ['COLLECTOR']}/facts", json={"function": function, **facts})


async def wait_for_gate(gate: str) -> None:
    async with aiohttp.ClientSession() as session:
        await session.get(f"{os.environ['COLLECTOR']}/gates/{gate}")


def described(name: str, req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    facts = {
        "function": name,
        "method": req.method,
        "url": req.url,
        "query": dict(req.params),
        "values": dict(req.route_params),
        "header": req.headers.get("X-Test"),
        "length": len(req.get_body()),
        "invocation": context.invocation_id,
        "trace": context.trace_context.Traceparent,
    }
    return func.HttpResponse(json.dumps(facts), mimetype="application/json")


@app.route(route="hello", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")


@app.route(route="items/{name}", methods=["GET", "POST", "HEAD", "OPTIONS"])
def free_item(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return described("free_item", req, context)


@app.route(route="items/{number:int}", methods=["GET"])
def numbered_item(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return described("numbered_item", req, context)


@app.route(route="items/{id}:cancel", methods=["POST"])
def cancel_item(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return described("cancel_item", req, context)


@app.route(route="secrets", auth_level=func.AuthLevel.ADMIN)
def admin_only(req: func.HttpRequest) -> str:
    return "admin"


@app.route(route="text", auth_level=func.AuthLevel.ANONYMOUS)
def text(req: func.HttpRequest) -> str:
    logging.getLogger("app").warning("a line\nof the function")
    print("printed by the function")  # noqa: T201 - functions may print
    return "plain text"


@app.route(route="boom", auth_level=func.AuthLevel.ANONYMOUS)
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("boom")


@app.route(route="cookies", auth_level=func.AuthLevel.ANONYMOUS)
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(status_code=204)
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", "b=2; Path=/")
    return response


@app.route(route="enqueue", methods=["POST"])
@app.queue_output(arg_name="messages", queue_name="%WORK_QUEUE%", connection="STATE")
async def enqueue(
    req: func.HttpRequest,
    messages: func.Out[typing.List[str]],  # noqa: UP006 - the worker refuses list[str]
) -> func.HttpResponse:
    messages.set([json.dumps(item) for item in req.get_json()])
    return func.HttpResponse(status_code=202)


@app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%", connection="STATE")
async def work(message: func.QueueMessage, context: func.Context) -> None:
    job = json.loads(message.get_body())
    await report("work", id=job["id"], count=message.dequeue_count, message=message.id)
    if gate := job.get("gate"):
        await wait_for_gate(gate)
        await report("work_after_gate", id=job["id"])
    if job.get("fail"):
        raise RuntimeError(f"job {job['id']} fails")


@app.queue_trigger(arg_name="message", queue_name="%COPY_QUEUE%", connection="STATE")
@app.queue_output(arg_name="$return", queue_name="%WORK_QUEUE%", connection="STATE")
def copy(message: str) -> str:
    return message


@app.blob_trigger(
    arg_name="blob", path="drops/{instance}/{name}.json", connection="CONTENT", source="EventGrid"
)
async def dropped(blob: func.InputStream) -> None:
    content = blob.read().decode()
    await report("dropped", name=blob.name, content=content, length=blob.length, uri=blob.uri)
    if "fail" in content:
        raise RuntimeError("this blob fails")


@app.event_grid_trigger(arg_name="event")
async def on_event(event: func.EventGridEvent) -> None:
    await report("on_event", id=event.id, subject=event.subject, type=event.event_type)
    if event.get_json().get("fail"):
        raise RuntimeError("this event fails")


@app.event_grid_trigger(arg_name="event")
async def on_cloud_event(event: func.CloudEvent) -> None:
    await report("on_cloud_event", id=event.id, source=event.source)


@app.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="twins",
    connection="TWINS",
    consumer_group="odu",
    cardinality=func.Cardinality.MANY,
)
async def on_batch(
    events: typing.List[func.EventHubEvent],  # noqa: UP006 - the worker refuses list[EventHubEvent]
) -> None:
    bodies = [event.get_body().decode() for event in events]
    await report(
        "on_batch",
        bodies=bodies,
        sequences=[event.sequence_number for event in events],
        keys=[event.partition_key for event in events],
        device=events[0].iothub_metadata.get("connection-device-id"),
        properties=events[0].metadata["PropertiesArray"],
    )
    if "fail" in bodies:
        raise RuntimeError("this batch fails")


@app.event_hub_message_trigger(arg_name="event", event_hub_name="singles", connection="TWINS")
@app.retry(
    strategy="exponential_backoff",
    max_retry_count="2",
    minimum_interval="00:00:00",
    maximum_interval="00:00:01",
)
def on_single(event: func.EventHubEvent, context: func.Context) -> None:
    facts = {
        "function": "on_single",
        "body": event.get_body().decode(),
        "retry": context.retry_context.retry_count,
        "enqueued": event.enqueued_time.isoformat(),
    }
    urllib.request.urlopen(
        urllib.request.Request(
            f"{os.environ['COLLECTOR']}/facts",
            json.dumps(facts).encode(),
            {"Content-Type": "application/json"},
        )
    ).close()
    if facts["body"] == "fail":
        raise RuntimeError("this event fails")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
async def yearly(timer: func.TimerRequest) -> None:
    await report("yearly", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True, use_monitor=False)
async def at_start(timer: func.TimerRequest) -> None:
    await report("at_start", host=os.environ["WORK_QUEUE"])


@app.timer_trigger(arg_name="timer", schedule="%TICK_SCHEDULE%", use_monitor=False)
async def tick(timer: func.TimerRequest) -> None:
    await asyncio.sleep(0)
    await report("tick", next=timer.schedule_status["Next"])
