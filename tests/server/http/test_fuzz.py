"""Random requests, as the OpenAPI document allows them and as it does not, with every role."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.conftest import FULL, NewDatabase, served
from tests.server.api.test_schema import CHECKS
from toxgrade.server.access import ROLES, Role
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.engine import transaction
from toxgrade.server.settings import Settings

_EXAMPLES = 2000 if FULL else 50  # of each kind for each role


@pytest.fixture(scope="module")
def url(new_sqlite: NewDatabase) -> str:
    return new_sqlite()


@pytest.fixture(scope="module")
def guarded(url: str) -> Iterator[httpx.Client]:
    with served(Settings(database_url=url, rate_per_second=1e6)) as client:
        yield client


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("role", [*ROLES, None])
def test_no_request_breaks_a_promise(
    guarded: httpx.Client, url: str, role: Role | None, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{guarded.base_url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    headers = _key(url, role) if role else {}
    anything = st.one_of([each.as_strategy(generation_mode=mode) for each in operations])

    @settings(
        max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck),
        database=None,
    )  # fmt: skip
    @given(case=anything)
    def check(case: Any) -> None:
        case.validate_response(case.call(headers=headers), checks=CHECKS)

    check()


def _key(url: str, role: Role) -> dict[str, str]:
    with transaction(url) as connection:
        key = create_key(connection, role, role, [] if role == "admin" else ["default"])
    return {"Authorization": f"Bearer {key}"}
