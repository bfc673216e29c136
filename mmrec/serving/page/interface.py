"""The calls of an OpenAPI document, as a page describes them."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmrec.serving.security.access import needed_scope

_MAX_DEPTH = 3


class Parameter(NamedTuple):
    """A parameter of a call."""

    name: str
    place: str
    """`path` or `query`."""
    kind: str
    is_needed: bool
    description: str


class Described(NamedTuple):
    """A call: a method of a path."""

    method: str
    path: str
    description: str
    scope: str
    """Of the API key that it needs; empty where it needs none."""
    parameters: list[Parameter]
    body: str
    """The shape of its body, empty where it has none."""


def described_calls(document: Mapping[str, Any]) -> list[Described]:
    """Return the calls of an OpenAPI document in its order."""
    return [
        Described(
            method.upper(),
            path,
            call.get("description", ""),
            needed_scope(method.upper(), path) or "",
            [_parameter(one, document) for one in call.get("parameters", ())],
            _body(call.get("requestBody"), document),
        )
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    ]


def _parameter(given: Mapping[str, Any], document: Mapping[str, Any]) -> Parameter:
    shape = _shape(given.get("schema", {}), document, _MAX_DEPTH)
    kind = shape if isinstance(shape, str) else json.dumps(shape, ensure_ascii=False)
    description = given.get("description") or given.get("schema", {}).get("description", "")
    return Parameter(given["name"], given["in"], kind, given.get("required", False), description)


def _body(given: Mapping[str, Any] | None, document: Mapping[str, Any]) -> str:
    if given is None:
        return ""
    parts = []
    for media_type, content in given["content"].items():
        shape = _shape(content.get("schema", {}), document, 0)
        parts.append(media_type if isinstance(shape, str) else f"{media_type}\n{json.dumps(shape, ensure_ascii=False, indent=2)}")
    return "\n".join(parts)


def _shape(schema: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> Any:
    """What a value looks like: a word for its type, or an object or list of such."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        shapes = [_shape(one, document, depth) for one in schema["anyOf"]]
        words = [one for one in shapes if isinstance(one, str)]
        return next((one for one in shapes if not isinstance(one, str)), " or ".join(dict.fromkeys(words)))
    if "properties" in schema and depth < _MAX_DEPTH:
        return {name: _shape(one, document, depth + 1) for name, one in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_shape(schema.get("items", {}), document, depth + 1)] if depth < _MAX_DEPTH else "list"
    return str(schema.get("type", "value"))
