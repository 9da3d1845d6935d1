"""The OpenAPI document: its examples work, and random requests get the answers it promises."""

import re
from decimal import Decimal
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from toxgrade.criteria.reader import load
from toxgrade.server.api.lab_values import LabValue
from toxgrade.server.api.requests import EDITIONS, GradeRequest

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_the_worked_examples_are_accepted(stateless: httpx.Client) -> None:
    paths = stateless.get("/openapi.json").json()["paths"]
    examples = [
        (method, path, example["value"])
        for path, methods in paths.items()
        for method, operation in methods.items()
        for media in operation.get("requestBody", {}).get("content", {}).values()
        for example in media.get("examples", {}).values()
    ]
    patient = "/v1/studies/{study}/patients/{patient}"
    assert {path for _, path, _ in examples} >= {
        "/v1/grade", patient, f"{patient}/results", f"{patient}/events",
        "/v1/studies/{study}/reference-ranges",
    }  # fmt: skip
    for method, path, example in examples:
        filled = path.format(study="default", patient="EXAMPLE")
        assert stateless.request(method, filled, json=example).status_code in (200, 201)


def test_every_operation_is_described(stateless: httpx.Client) -> None:
    paths = stateless.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["description"], f"{method} {path}"
            assert "+json" in str(operation["responses"]["4XX"])


def test_random_requests_get_the_promised_answers(stateless: httpx.Client) -> None:
    schema = schemathesis.openapi.from_url(f"{stateless.base_url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) >= 17  # none is left out for want of a readable schema
    anything = st.one_of([operation.as_strategy() for operation in operations])

    @settings(
        max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(case=anything)
    def check(case: Any) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    check()


def test_the_editions_are_those_that_are_read() -> None:
    editions = load().editions.values()
    assert set(EDITIONS) == {name for e in editions for name in (e.name, *e.also)}


_SCHEMAS = LabValue.model_json_schema()["properties"]


def _shown(field: str) -> re.Pattern[str]:
    """What the document says of a text in this field; it may be empty."""
    (pattern,) = [each["pattern"] for each in _SCHEMAS[field]["anyOf"] if "pattern" in each]
    return re.compile(f"(?:{pattern[1:-1]})?")


def _is_accepted(field: str, text: str) -> bool:
    try:
        LabValue.model_validate({"analyte": "ALT", field: text})
    except ValidationError:
        return False
    return True


_ODD = st.text(alphabet=" \t\n0123456789.,<>=-+eETZ:_", max_size=12)


@given(st.from_regex(_shown("value"), fullmatch=True) | _ODD)
def test_the_document_says_which_values_are_read(text: str) -> None:
    number = Decimal(text.strip(" \t\r\n<>=≤≥") or 0) if _shown("value").fullmatch(text) else None
    if _is_accepted("value", text):
        assert number is not None
    elif number is not None:  # Size and digits are said in words.
        assert len(number.as_tuple().digits) > 30 or not Decimal("1e-15") <= number < Decimal(
            "1e15"
        )


@given(st.from_regex(_shown("collected"), fullmatch=True) | _ODD)
def test_the_document_says_which_dates_are_read(text: str) -> None:
    is_shown = _shown("collected").fullmatch(text) is not None
    if _is_accepted("collected", text):
        assert is_shown
    elif is_shown:  # Months of 28 to 30 days are said in words.
        assert re.search(r"-(29|3[01])", text)


@given(st.from_regex(r"(end|start)\+[0-9]{1,4}[md]", fullmatch=True) | _ODD)
def test_the_document_says_which_windows_are_read(text: str) -> None:
    schema = GradeRequest.model_json_schema()["properties"]["window"]
    (pattern,) = [each["pattern"] for each in schema["anyOf"] if "pattern" in each]
    try:
        GradeRequest.model_validate({"results": [], "window": text})
    except ValidationError:
        assert not re.fullmatch(pattern[1:-1], text)
    else:  # Leading zeros are read, not shown.
        assert re.fullmatch(pattern[1:-1], re.sub(r"\+0+(?=[0-9])", "+", text))
