"""A panel is stored beside the results that grades rest on as it is beside all of them."""

import pytest

from tests.conftest import FULL
from tests.server.records.twins import compare


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", range(3))
def test_a_panel_beside_a_part_is_as_beside_all(
    seed: int, kind: str, request: pytest.FixtureRequest
) -> None:
    new = request.getfixturevalue(f"new_{kind}")
    counts = compare(new, seed, 400 if FULL else 60)
    print(f"{kind}, seed {seed}: {dict(counts)}")
    assert counts["only added"] > 5
