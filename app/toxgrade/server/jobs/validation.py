"""The rows of an export that cannot be stored: what HTTP refuses with 422, row by row.

A stored result is kept as it was reported and graded again later, so it must be readable. Every
refused row is listed with its place and what to correct.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from toxgrade.errors import ParseError
from toxgrade.grading.flags import Reason
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.parse import ACCEPTED_DATE, ACCEPTED_LIMIT, ACCEPTED_VALUE, read_limit
from toxgrade.grading.patient_baselines import starts_before
from toxgrade.grading.result import GRADED_STATUSES, OTHER_STATUSES, Course, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import content
from toxgrade.server.records.studies import PATIENT_NAME

Texts = Mapping[str, str | None]
"""One row as reported, by our column (``grading.parse.COLUMNS`` and more); None where empty."""

_LONGEST = 200
_FREE_TEXTS = ("analyte", "unit", "limit_unit", "source_id", "specimen", "indicator")

BECAUSE = {
    "missing-patient": "the row names no patient",
    "patient-name": f"expected the study's pseudonym, {PATIENT_NAME.pattern}",
    "missing-analyte": "the row names no analyte",
    "unreadable-text": f"expected at most {_LONGEST} characters, none of them a control character",
    "unreadable-value": f"expected {ACCEPTED_VALUE}",
    "unreadable-limit": f"expected {ACCEPTED_LIMIT}",
    "unreadable-date": f"expected {ACCEPTED_DATE}",
    "missing-date": "a result needs the date it was taken, unless it is declared a baseline",
    "unknown-status": f"expected one of {', '.join((*GRADED_STATUSES, *OTHER_STATUSES))}",
    "baseline-after-start": "a declared baseline is taken on or before the start of radiotherapy",
    "after-death": "the patient died before that day; only a withdrawal is taken",
    "two-contents": "the file has this result twice with different content; send one of them",
    "too-many-results": "a patient has at most 100,000 results; is the patient column right?",
    "patient-erased": "the patient was erased; nothing more is stored under the pseudonym",
    "quarantined": "its part of the file could not be stored; see the batch",
}
"""The explanation of each reason for refusing a row; most say what would be accepted."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not stored: our column, and a reason of ``BECAUSE`` or of a refused request."""

    column: str
    reason: str


AFTER_DEATH = Refusal("collected", "after-death")


def refusal(
    texts: Texts, lab: LabResult, courses: Sequence[Course], died: date | None
) -> Refusal | None:
    """Return the first reason why a row cannot be stored; None: it can be.

    ``died``: the day of death that the patients file gives; None: it gives none.
    """
    return next(_refusals(texts, lab, courses, died), None)


def _refusals(
    texts: Texts, lab: LabResult, courses: Sequence[Course], died: date | None
) -> Iterator[Refusal]:
    if texts["patient"] is None:
        yield Refusal("patient", "missing-patient")
    elif not PATIENT_NAME.fullmatch(texts["patient"]):
        yield Refusal("patient", "patient-name")
    for column in _FREE_TEXTS:
        text = texts.get(column) or ""
        if len(text) > _LONGEST or not text.strip(" \t\r\n").isprintable():
            yield Refusal(column, "unreadable-text")
    if not lab.analyte:
        yield Refusal("analyte", "missing-analyte")
    if lab.unreadable is Reason.UNREADABLE_VALUE:
        yield Refusal("value", "unreadable-value")
    if lab.unreadable is Reason.UNREADABLE_DATE:
        yield Refusal("collected", "unreadable-date")
    if lab.unreadable_limit:
        yield Refusal(_unreadable_limit(texts), "unreadable-limit")
    if lab.collected is None and not lab.is_baseline:
        yield Refusal("collected", "missing-date")
    if lab.status not in (*GRADED_STATUSES, *OTHER_STATUSES):
        yield Refusal("status", "unknown-status")
    if is_after_death(lab, died):
        yield AFTER_DEATH
    if lab.is_baseline and starts_before(lab, courses):
        yield Refusal("baseline", "baseline-after-start")


def _unreadable_limit(texts: Texts) -> str:
    try:
        read_limit(texts["lln"] or "0")
    except ParseError:
        return "lln"
    return "uln"


def contradicting(labs: Mapping[int, LabResult], keys: Mapping[int, str], names: Names) -> set[int]:
    """Return the rows of one patient whose result occurs twice with different content.

    ``keys`` holds the identity of each result by its row.
    """
    of_identity: dict[str, list[int]] = {}
    for row in labs:
        of_identity.setdefault(keys[row], []).append(row)
    return {
        row
        for rows in of_identity.values()
        if len(rows) > 1 and len({tuple(content(labs[row], names)) for row in rows}) > 1
        for row in rows
    }
