"""The OpenAPI document, completed: an example of each answer, and each schema where it belongs."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from toxgrade.server.http import incomplete

NEXT = "The cursor of the next page; null on the last."
"""What is said of each page's field ``next``."""

Responses = dict[int | str, dict[str, object]]
"""Answers by status, as FastAPI takes what a route documents."""

_PREFIX = "#/components/schemas/"


def complete_document(app: FastAPI) -> None:
    """Let an application show its document completed."""
    of_fastapi = app.openapi

    def openapi() -> dict[str, object]:
        document = of_fastapi()
        _complete(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: Mapping[str, Any]) -> None:
    """Complete a document; a second time changes nothing."""
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if example := _example({"$ref": _PREFIX + name}, schemas):
            schema["examples"] = example
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                _move_schema(response.get("content", {}))
                if "{study}" in path and status.startswith("2"):
                    response["headers"] = response.get("headers", {}) | incomplete.DESCRIBED


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Any]:
    """Return the example of a schema, or one of what it consists of; empty if there is none."""
    if "examples" in schema:
        return list(schema["examples"][:1])
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].removeprefix(_PREFIX)], schemas)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    if "items" in schema:
        return [_example(schema["items"], schemas)]
    fields = {name: _example(one, schemas) for name, one in schema.get("properties", {}).items()}
    if fields and all(fields.values()):
        return [{name: found for name, (found,) in fields.items()}]
    return []


def _move_schema(content: dict[str, Mapping[str, Mapping[str, object]]]) -> None:
    """Say the schema of errors of the ``+json`` type in which they come."""
    modelled = [media for media, said in content.items() if "$ref" in said.get("schema", {})]
    empty = [media for media, said in content.items() if media.endswith("+json") and not said]
    if modelled and empty:
        content[empty[0]] = content.pop(modelled[0])
