"""One row of texts read as a laboratory result, as ``columns/`` reads millions of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from toxgrade.errors import ReadingError
from toxgrade.grading.dates import WHITE_SPACE, read_collected
from toxgrade.grading.result import LabResult, Reason
from toxgrade.grading.values import read_limit, read_value

COLUMNS = (
    *("patient", "collected", "analyte", "value", "unit", "lln", "uln"),
    *("limit_unit", "baseline", "status"),
)
"""What a frame of rows holds, String (or Categorical), null where absent."""


def lab_result(row: Mapping[str, str | None]) -> LabResult:
    """Read one row of ``COLUMNS``, and ``source_id`` where it has one; what cannot be read is
    marked, never raised or guessed.
    """
    text = {name: (value or "").strip(WHITE_SPACE) for name, value in row.items()}
    value, collected = None, None
    unreadable: Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE] | None = None
    try:
        collected = read_collected(text["collected"]) if text["collected"] else None
    except ReadingError:
        unreadable = Reason.UNREADABLE_DATE
    try:
        value = read_value(text["value"]) if text["value"] else None
    except ReadingError:
        unreadable = Reason.UNREADABLE_VALUE
    lln, lln_read = _limit(text["lln"])
    uln, uln_read = _limit(text["uln"])
    return LabResult(
        analyte=text["analyte"],
        value=value,
        unit=text["unit"] or None,
        lln=lln,
        uln=uln,
        limit_unit=text["limit_unit"] or None,
        collected=collected,
        status=text["status"] or "final",
        is_baseline=text["baseline"].upper() == "Y",
        source_id=row.get("source_id"),
        unreadable=unreadable,
        unreadable_limit=not (lln_read and uln_read),
    )


def _limit(text: str) -> tuple[Decimal | None, bool]:
    """A limit and whether it could be read; absent counts as read."""
    try:
        return (read_limit(text).number if text else None), True
    except ReadingError:
        return None, False
