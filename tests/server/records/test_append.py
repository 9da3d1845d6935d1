"""What the audit keeps of a row: the same digest whoever computes it, and whenever."""

import hashlib
from datetime import UTC, date, datetime

from toxgrade.server.records.db.append import digest


def test_a_digest_is_of_the_columns_that_are_not_null_by_name() -> None:
    row = {
        "id": 7,
        "unit": None,
        "value": "1.80",
        "is_baseline": False,
        "collected_on": date(2011, 4, 23),
        "recorded_at": datetime(2026, 3, 1, 12, 30, 0, 25, tzinfo=UTC),
    }
    written = (
        b'{"collected_on":"2011-04-23","id":7,"is_baseline":false,'
        b'"recorded_at":"2026-03-01T12:30:00.000025Z","value":"1.80"}'
    )
    assert digest(row) == hashlib.sha256(written).digest()
    assert digest(dict(reversed(row.items()))) == digest(row)
    assert digest(row | {"added_later": None}) == digest(row)
    assert digest(row | {"value": "1.8"}) != digest(row)
