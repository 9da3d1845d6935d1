"""Random requests, as the OpenAPI document allows them and as it does not, with every role.

``tests.server.http.expected_findings`` says what they may find. ``make evidence`` runs more.
"""

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
from tests.server.http import expected_findings  # noqa: F401 - schemathesis' hooks
from toxgrade.server.access import ROLES, Role
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_EXAMPLES = 2000 if FULL else 50  # of each kind for each role


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    new: NewDatabase = request.getfixturevalue(f"new_{request.param}")
    return new()


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
        case.call_and_validate(headers=headers)

    check()


@pytest.mark.parametrize("role", ROLES)
def test_no_sequence_of_requests_breaks_a_promise(
    guarded: httpx.Client, url: str, role: Role
) -> None:
    """What one request answers, such as the id of a grade, the next ones name."""
    headers = _key(url, role)
    schema = schemathesis.openapi.from_url(f"{guarded.base_url}/openapi.json")

    class Machine(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, _case: Any) -> dict[str, Any]:
            return {"headers": headers}

    Machine.run(
        settings=settings(
            max_examples=_EXAMPLES // 10,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
    )


def _key(url: str, role: Role) -> dict[str, str]:
    with transaction(url) as opened:
        key = create_key(opened, role, role, [] if role == "admin" else ["default"])
    return {"Authorization": f"Bearer {key}"}
