"""The OpenAPI document describes every request and answer by its fields; answers by examples."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings

_DOCUMENT = create_app(Settings()).openapi()
_OPERATIONS = {
    operation["operationId"]: operation
    for path in _DOCUMENT["paths"].values()
    for operation in path.values()
}
_SCHEMAS = _DOCUMENT["components"]["schemas"]
_EMPTY = {"post_ctcae_labs_feedback"}
_TEXTS = ({"type": "string"}, {"type": "string", "format": "binary"})
"""How tables, metrics, files and messages of other standards are described."""


def _answers(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the media type and the schema of each answer that is no error."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            assert response["description"]
            for media, said in response.get("content", {}).items():
                yield media, said.get("schema", {})


def _named(schema: object) -> Iterator[str]:
    """Yield the names of the models in a schema, and of those within them."""
    if isinstance(schema, list):
        for item in schema:
            yield from _named(item)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            yield name
            yield from _named(_SCHEMAS[name])
        for item in schema.values():
            yield from _named(item)


_MODELS = sorted(
    {
        name
        for operation in _OPERATIONS.values()
        for _, schema in (*_answers(operation), ("", operation["responses"]["4XX"]))
        for name in _named(schema)
        if "properties" in _SCHEMAS[name]
    }
)


@pytest.mark.parametrize("name", _OPERATIONS)
def test_every_operation_has_a_described_answer(name: str) -> None:
    answers = list(_answers(_OPERATIONS[name]))
    assert bool(answers) == (name not in _EMPTY)
    for media, schema in answers:
        assert "$ref" in schema if media.endswith("json") else schema in _TEXTS


@pytest.mark.parametrize("name", _MODELS)
def test_every_field_of_an_answer_says_what_it_holds(name: str) -> None:
    fields = _SCHEMAS[name]["properties"]
    assert _SCHEMAS[name]["description"]
    assert [field for field, schema in fields.items() if not schema.get("description")] == []


@pytest.mark.parametrize("name", _MODELS)
def test_the_example_of_an_answer_is_one(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": _DOCUMENT["components"]}
    (example,) = _SCHEMAS[name]["examples"]
    jsonschema_rs.validator_for(schema).validate(example)
    assert example.keys() <= _SCHEMAS[name]["properties"].keys()


def _fields(schema: object, place: str, inside: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield place and description of each field in the schema of a request, however deep."""
    if isinstance(schema, list):
        for item in schema:
            yield from _fields(item, place, inside)
    elif isinstance(schema, dict):
        if (name := schema.get("$ref", "").rpartition("/")[2]) and name not in inside:
            yield from _fields(_SCHEMAS[name], place, inside | {name})
        for field, own in schema.get("properties", {}).items():
            yield f"{place}.{field}", own.get("description", "")
            yield from _fields(own, f"{place}.{field}", inside)
        for key, item in schema.items():
            if key not in ("$ref", "properties", "examples", "default"):
                yield from _fields(item, place, inside)


_REQUESTS = sorted(
    {
        (f"{name} {media}", field, said)
        for name, operation in _OPERATIONS.items()
        for media, body in operation.get("requestBody", {}).get("content", {}).items()
        for field, said in _fields(body["schema"], "body", frozenset())
    }
)


def test_every_field_of_a_request_says_what_it_holds() -> None:
    assert len(_REQUESTS) > 100
    assert [(name, field) for name, field, said in _REQUESTS if not said] == []
