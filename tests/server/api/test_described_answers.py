"""The OpenAPI document describes every answer: its fields, and an example that is one."""

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
