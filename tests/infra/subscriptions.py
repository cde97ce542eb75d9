"""Where the event subscriptions of the templates and those of the program disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.topology import CONTAINERS, EVENT_SUBSCRIPTIONS, EventSubscription
from tests.infra import program
from tests.infra.site import SUFFIX, Site, place
from tests.infra.values import SECRET_MARK, Resource

_TOPICS = {
    "topic": "evgt-",
    "iothub": "evgs-hub-",
    "defender": "evgt-scan-",
}
_BLOB_KEY = "systemKeys.blobs_extension"
"""The key that the webhook of blob triggers asks for.

https://learn.microsoft.com/azure/azure-functions/functions-event-grid-blob-trigger
"""
_SCHEMAS = {"CloudEvent": "CloudEventSchemaV1_0", "EventGridEvent": "EventGridSchema"}
SUBSCRIPTION_TYPES = (
    "Microsoft.EventGrid/topics/eventSubscriptions",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
)


def subscriptions(site: Site) -> Iterator[str]:
    """What does not fit."""
    found = {item.name: item for kind in SUBSCRIPTION_TYPES for item in site.of(kind)}
    wanted = {item.name: item for item in EVENT_SUBSCRIPTIONS}
    for name in sorted(wanted.keys() - found.keys()):
        yield f"subscription missing: {name}"
    for name in sorted(found.keys() - wanted.keys()):
        yield f"subscription surplus: {name}"
    for name in sorted(wanted.keys() & found.keys()):
        for what, (right, is_now) in _facts(site, wanted[name], found[name]).items():
            if right != is_now:
                yield f"subscription {name}: {what} should be {right!r}, is {is_now!r}"
    yield from _topics(site)


def _facts(
    site: Site, wanted: EventSubscription, found: Resource
) -> dict[str, tuple[object, object]]:
    """What each fact of a subscription should be, and what it is."""
    properties = found.properties
    destination, events = properties["destination"], properties["filter"]
    letters = properties["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
    trigger = next((item for item in program.triggers() if item.function == wanted.function), None)
    assert trigger is not None, f"{wanted.function} is no function"
    kind = "eventGridTrigger" if wanted.kind == "event_grid" else "blobTrigger"
    topic = found.parent.name if found.parent else ""
    return {
        "trigger": (kind, trigger.kind),
        "topic": (_topic(site, wanted.source), topic),
        "destination": (
            _destination(site, wanted),
            (destination["endpointType"], _end(destination)),
        ),
        "event types": (set(wanted.event_types), set(events["includedEventTypes"])),
        "begin": (wanted.subject_begins_with, events.get("subjectBeginsWith", "")),
        "end": (wanted.subject_ends_with, events.get("subjectEndsWith", "")),
        "schema": (
            _SCHEMAS.get(trigger.event, "EventGridSchema"),
            properties["eventDeliverySchema"],
        ),
        "dead letters": (True, letters["blobContainerName"] in CONTAINERS),
        "dead letter account": (
            site.account(site.settings["CONTENT__blobServiceUri"]).id,
            letters["resourceId"],
        ),
        "is one event a delivery": (1, destination["properties"]["maxEventsPerBatch"]),
    }


def _topic(site: Site, source: str) -> str:
    """The name of a topic; that of the content account may be another's, who was there first."""
    if source in _TOPICS:
        return f"{_TOPICS[source]}{SUFFIX}"
    [found] = [
        topic.name
        for topic in site.of("Microsoft.EventGrid/systemTopics")
        if topic.properties["topicType"] == "Microsoft.Storage.StorageAccounts"
    ]
    return found


def _destination(site: Site, wanted: EventSubscription) -> tuple[str, str]:
    if wanted.kind == "event_grid":
        return "AzureFunction", f"{site.app.id}/functions/{wanted.function}"
    host = f"https://{site.app.id}.properties.defaultHostName"
    name = f"Host.Functions.{wanted.function}"
    return (
        "WebHook",
        f"{host}/runtime/webhooks/blobs?functionName={name}&code={SECRET_MARK}.{_BLOB_KEY}",
    )


def _end(destination: Mapping[str, Any]) -> str:
    properties = destination["properties"]
    return str(properties.get("endpointUrl") or properties.get("resourceId"))


def _topics(site: Site) -> Iterator[str]:
    owners = {
        "Microsoft.Devices.IoTHubs": site.one("Microsoft.Devices/IotHubs").id,
        "Microsoft.Storage.StorageAccounts": site.account(
            site.settings["CONTENT__blobServiceUri"]
        ).id,
    }
    for topic in site.of("Microsoft.EventGrid/systemTopics"):
        kind = topic.properties["topicType"]
        if topic.properties["source"] != owners.get(kind):
            yield f"system topic {topic.name} is of {topic.properties['source']}"
    topics = {place(topic): topic for topic in site.of("Microsoft.EventGrid/topics")}
    names = {"EVENTS_TOPIC_ENDPOINT": "evgt-"}
    if site.settings["CUSTOMER_TOPIC_ENDPOINT"]:
        names["CUSTOMER_TOPIC_ENDPOINT"] = "evgt-customers-"
    for setting, name in names.items():
        if site.settings[setting] != f"{topics[name].id}.properties.endpoint":
            yield f"{setting} is not that of the topic"
        if topics[name].properties["inputSchema"] != _SCHEMAS["CloudEvent"]:
            yield f"the topic {name} does not take CloudEvents"
