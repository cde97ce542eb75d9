"""The OpenAPI document as a page to read: plain HTML without a script or an outside resource."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere }
details { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
summary { padding: .4rem 0; cursor: pointer }
table { border-collapse: collapse; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; padding: .15rem 1rem .15rem 0 }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600 }
"""


def page(document: Mapping[str, Any]) -> str:
    """The page of a document."""
    info = document["info"]
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> '
        f"{escape(str(schema.get('description', '')))}</summary>{_members(schema)}</details>"
        for name, schema in document["components"]["schemas"].items()
    )
    title = escape(f"{info['title']}: REST API")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{escape(info['summary'])} Version {escape(info['version'])}. "
        'For programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"<h2>Operations</h2>{operations}<h2>Objects</h2>{schemas}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(item['name'])}</code><td>{escape(item['in'])}"
        f"<td>{escape(item['description'])}"
        for item in operation["parameters"]
    )
    body = operation.get("requestBody")
    request = (
        "".join(
            f"<p>Body: <code>{escape(kind)}</code>, {_type(content['schema'])}</p>"
            for kind, content in body["content"].items()
        )
        if body
        else ""
    )
    responses = "".join(
        f"<tr><td><code>{escape(status)}</code><td>{_response(response)}"
        for status, response in operation["responses"].items()
    )
    return (
        f'<details><summary><span class="method">{escape(method.upper())}</span>'
        f"<code>{escape(path)}</code></summary><p>{escape(operation['summary'])} "
        f"{escape(operation['description'])}</p>{request}<table>{parameters}</table>"
        f"<table>{responses}</table></details>"
    )


def _response(response: Mapping[str, Any]) -> str:
    if "$ref" in response:
        return escape(str(response["$ref"]).rpartition("/")[2])
    kinds = [_type(content["schema"]) for content in response.get("content", {}).values()]
    return " ".join([escape(response["description"]), *kinds])


def _members(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{_type(member)}"
        f"<td>{'required' if name in required else ''}"
        for name, member in schema.get("properties", {}).items()
    )
    return f"<table>{rows}</table>"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return " or ".join(_type(each) for each in kinds)
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "anything")))
