"""A panel's results are told in no order: what is stored does not depend on how they stand."""

from collections.abc import Iterator
from itertools import count, permutations
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import NewDatabase, served
from toxgrade.server.settings import Settings

_numbers = count(1)


@pytest.fixture(scope="module")
def service(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    with served(Settings(database_url=new_sqlite(), auth="off")) as client:
        yield client


def _creatinine(value: str, status: str, number: int, day: str = "2011-01-20") -> dict[str, Any]:
    return {
        "analyte": "creatinine", "value": value, "unit": "mg/dL", "uln": "1.2", "status": status,
        "collected": day, "source_id": f"LAB-{number}",
    }  # fmt: skip


def _stored(service: httpx.Client, *requests: list[dict[str, Any]]) -> list[str]:
    """Return what is current of a new patient to whom these were sent, without its numbers."""
    patient = f"/v1/studies/default/patients/P{next(_numbers)}"
    for results in requests:
        sent = {"radiotherapy": {"start": "2011-01-24", "end": "2011-03-09"}, "results": results}
        assert service.post(f"{patient}/results", json=sent).status_code == 201
    found = service.get(f"{patient}/grades").raise_for_status().json()["grades"]
    numbers = ("id", "supersedes_id", "recorded_at")
    return sorted(repr({k: v for k, v in one.items() if k not in numbers}) for one in found)


@settings(max_examples=12, deadline=None)
@given(
    before=st.lists(
        st.tuples(
            st.sampled_from(["1.0", "<1.0", "<=1.0", "1.00", "0.7"]),
            st.sampled_from(["final", "corrected", "amended"]),
            st.integers(1, 3),
        ),
        min_size=3, max_size=3, unique_by=lambda one: one[2],
    ),
)  # fmt: skip
@example([("1.0", "final", 1), ("1.0", "corrected", 2), ("<1.0", "final", 3)])
def test_neither_the_order_of_a_panel_nor_its_requests_change_a_grade(
    service: httpx.Client, before: list[tuple[str, str, int]]
) -> None:
    rows = [_creatinine(*one) for one in before]
    later = _creatinine("1.6", "final", 9, "2011-04-23")
    orders = [list(order) for order in permutations(rows)]
    together = [_stored(service, [*order, later]) for order in orders]
    one_by_one = [_stored(service, [later], *([row] for row in order)) for order in orders]
    for answer in (*together, *one_by_one):
        assert answer == together[0]
