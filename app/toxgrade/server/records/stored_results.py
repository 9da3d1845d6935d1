"""One version of a result: how it becomes a row, and how a row is read back for grading."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Select, select

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import LabResult
from toxgrade.server.records.db.newest import is_newest_version
from toxgrade.server.records.db.tables import results
from toxgrade.server.records.identity import OWN_NUMBER

_UNREADABLE: tuple[Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE], ...] = (
    Reason.UNREADABLE_VALUE,
    Reason.UNREADABLE_DATE,
)
_BARS_ONCE = 3  # Scopes of HL7 v2 had so many; now they have two.
_VERSION = " version "  # stands between the time of issue and the number, of which one may lack


class Version(msgspec.Struct):
    """One version of a result, numbered from 1 within its identity.

    ``id`` and ``recorded_at`` (in UTC) are None until it is stored.
    """

    identity: str
    number: int
    result: LabResult
    id: int | None = None
    recorded_at: datetime | None = None


VERSION_NAMES = (
    "analyte", "collected", "id", "identity", "indicator", "is_baseline", "issued", "lab",
    "limit_unit", "lln", "patient_id", "recorded_at", "source_id", "source_scope", "specimen",
    "status", "uln", "unit", "unreadable", "value", "version",
)  # fmt: skip
"""The columns of a result in the order in which ``version_row`` gives them: that of digests."""
VERSION_COLUMNS = tuple(results.c[name] for name in VERSION_NAMES)
"""What ``read_version`` reads, in this order."""


def newest_results(condition: ColumnElement[bool]) -> Select[Any]:
    """Return a query for the newest version of each result of the chosen patients."""
    chosen = select(*VERSION_COLUMNS).where(condition, is_newest_version(results))
    return chosen.order_by(results.c.id)


def read_version(row: Sequence[Any]) -> Version:
    """Return a version from ``VERSION_COLUMNS``, with exactly the numbers that were reported."""
    (
        analyte, collected, row_id, identity, indicator, is_baseline, issued, lab, limit_unit, lln,
        _, recorded_at, source_id, scope, specimen, status, uln, unit, unreadable, value, number,
    ) = row  # fmt: skip
    marks = (unreadable or "").split()
    at, _, server_version = (issued or "").partition(_VERSION)
    result = LabResult(
        analyte=analyte,
        value=read_value(value) if value is not None else None,
        unit=unit,
        lln=Decimal(lln) if lln is not None else None,
        uln=Decimal(uln) if uln is not None else None,
        limit_unit=limit_unit,
        collected=read_collected(collected) if collected is not None else None,
        status=status,
        is_baseline=is_baseline,
        source_id=source_id,
        source_scope=_scope(scope),
        issued=datetime.fromisoformat(at) if at else None,
        server_version=int(server_version) if server_version else None,
        lab=lab,
        unreadable=next((reason for reason in _UNREADABLE if reason in marks), None),
        unreadable_limit=Flag.UNREADABLE_LIMIT in marks,
        specimen=specimen,
        indicator=indicator,
    )
    return Version(identity, number, result, row_id, recorded_at)


def version_row(
    version: Version,
    patient_id: int | None = None,
    row_id: int | None = None,
    recorded_at: datetime | None = None,
) -> tuple[object, ...]:
    """Return a version as it is stored, by ``VERSION_NAMES``; without keys, to compare two."""
    result = version.result
    return (
        result.analyte,
        result.collected.text if result.collected else None,
        row_id,
        version.identity,
        result.indicator,
        result.is_baseline,
        _issued_text(result),
        result.lab,
        result.limit_unit,
        to_plain_text(result.lln),
        patient_id,
        recorded_at,
        result.source_id,
        result.source_scope,
        result.specimen,
        result.status,
        to_plain_text(result.uln),
        result.unit,
        _unreadable_marks(result),
        result.value.text if result.value else None,
        version.number,
    )


def _scope(stored: str | None) -> str | None:
    """Return a scope as it is made now: OBX-21 once stood behind a third bar, also an empty one."""
    if stored is None or OWN_NUMBER in stored or stored.count("|") != _BARS_ONCE:
        return stored
    base, _, own = stored.rpartition("|")
    return f"{base}{OWN_NUMBER}{own}" if own else base


def _issued_text(result: LabResult) -> str | None:
    """Return when a version was issued, and its number on its server; None: neither is known."""
    issued = result.issued.isoformat() if result.issued else ""
    if result.server_version is None:
        return issued or None
    return f"{issued}{_VERSION}{result.server_version}"


def _unreadable_marks(result: LabResult) -> str | None:
    """Return marks of what could not be read, joined by a space; None: all could be read."""
    marks = [result.unreadable.value] if result.unreadable else []
    if result.unreadable_limit:
        marks.append(Flag.UNREADABLE_LIMIT.value)
    return " ".join(marks) or None
