"""The stored versions that what is sent may belong to, read for ``Matcher``."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import Connection, bindparam, or_, select

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import LabResult, Reported
from toxgrade.grading.units import Names
from toxgrade.server.records.db.tables import results
from toxgrade.server.records.identity import identity
from toxgrade.server.records.matching import issue_order
from toxgrade.server.records.stored_results import (
    VERSION_COLUMNS,
    Version,
    newest_results,
    read_version,
)

_RESULTS_UP_TO = newest_results(
    (results.c.patient_id == bindparam("of_patient")) & (results.c.id <= bindparam("highest"))
)
_OLDER = select(*VERSION_COLUMNS).where(
    results.c.patient_id == bindparam("of_patient"),
    results.c.identity.in_(bindparam("of_identities", expanding=True)),
    results.c.status.in_(bindparam("of_statuses", expanding=True)),
    or_(
        results.c.identity.in_(bindparam("of_unordered", expanding=True)),
        results.c.collected.not_in(bindparam("of_times", expanding=True)),
    ),
)

_DIGITS = 15  # Longer numbers are read to so many.


def results_up_to(connection: Connection, patient_id: int | None, highest: int) -> list[Version]:
    """Return the newest results of a patient among those of ids up to ``highest``."""
    chosen = {"of_patient": patient_id, "highest": highest}
    return [read_version(row) for row in connection.execute(_RESULTS_UP_TO, chosen)]


def sent_number(result: LabResult, names: Names) -> str:
    """Return the number of a result that was sent, or without one its identity."""
    return (result.source_id or "").strip() or identity(result, names)


def number_of(version: Version, names: Names) -> str:
    """Return the number of a stored result, or without one its identity as it is made now.

    Numbers of many digits, which are read to 15, once made it of all their digits.
    """
    result = version.result
    if number := (result.source_id or "").strip():
        return number
    value = result.value.text if result.value else ""
    texts = (value, to_plain_text(result.lln) or "", to_plain_text(result.uln) or "")
    return identity(result, names) if max(map(len, texts)) > _DIGITS else version.identity


def load_versions(
    connection: Connection,
    patient_id: int | None,
    stored: Sequence[Version],
    sent: Sequence[LabResult],
    grader: TermGrader,
) -> list[Version]:
    """Return the current versions of stored results that ``sent`` may belong to, in their order.

    ``stored`` are the patient's current ones; those may be meant that share a number with one
    sent, or without one the identity. Before them come the older versions that say whether
    something old was sent again: of a value that was sent, and, where all that was sent is known to
    be issued before or after the current version, of another time than that one.
    """
    by_number: dict[str, dict[tuple[object, object], LabResult]] = defaultdict(dict)
    for result in sent:
        by_number[sent_number(result, grader.names)][result.server_version, result.issued] = result
    found: list[Version] = []
    unordered: list[str] = []
    for version in stored:
        of_number = by_number.get(number_of(version, grader.names))
        if of_number is not None:
            found.append(version)
            orders = (issue_order(one, version.result) for one in of_number.values())
            if version.number > 1 and not all(orders):
                unordered.append(version.identity)
    return [*_older(connection, patient_id, found, unordered, sent), *found]


def _older(
    connection: Connection,
    patient_id: int | None,
    current: Sequence[Version],
    unordered: Sequence[str],
    sent: Sequence[LabResult],
) -> list[Version]:
    """Return the versions before the ``current`` ones of a patient that may have been sent again.

    Of results that are not ``unordered``, only those of other times are read.
    """
    numbers = {version.identity: version.number for version in current if version.number > 1}
    if not numbers:
        return []
    times = {v.result.collected.text for v in current if v.number > 1 and v.result.collected}
    chosen = {
        "of_patient": patient_id,
        "of_identities": [*numbers],
        "of_statuses": [*{result.status for result in sent}],
        "of_unordered": unordered,
        "of_times": [*times],
    }
    values = {_value(result.value) for result in sent}
    older = [
        version
        for version in map(read_version, connection.execute(_OLDER, chosen))
        if version.number < numbers[version.identity] and _value(version.result.value) in values
    ]
    return sorted(older, key=lambda version: version.number)


def _value(value: Reported | None) -> tuple[str, Decimal] | None:
    return None if value is None else (value.comparator, value.number)
