"""The OpenAPI document: its examples work, and random requests get the answers it promises."""

from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

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
