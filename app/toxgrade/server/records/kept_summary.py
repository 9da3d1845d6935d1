"""A patient's summary, kept so that a panel or an answer need not read all of the patient's grades.

It is computed where all results are graded, and what a panel adds is added to it. The database
itself drops it with each row that it does not count: triggers on grades and treatments delete it,
whoever writes them, and who knows what it is then inserts it anew. Deaths, sexes and birth years
count by the grades that they change.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, Integer, bindparam, delete, select

from toxgrade import __version__
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import Window, possible_places
from toxgrade.grading.result import Course, Place
from toxgrade.grading.summary import Graded, PhaseBounds, TermSummary, add_grade, term_summary
from toxgrade.grading.unplaced import why_unplaced
from toxgrade.grading.worst_grade import is_ambiguous
from toxgrade.server.records.db.tables import patient_summaries
from toxgrade.server.records.db.transaction import Transaction

FEWEST = 17
"""Of a patient with fewer results no summary is kept: all are graded sooner than it is stored."""

_COLUMNS = ("patient_id", "basis", "document", "recorded_at")
_OF_PATIENTS = patient_summaries.c.patient_id.in_(
    bindparam("of_patients", type_=Integer, expanding=True)
)
_KEPT = select(patient_summaries).where(_OF_PATIENTS)
_FORGET = delete(patient_summaries).where(_OF_PATIENTS)


class KeptTerm(msgspec.Struct, array_like=True):
    """The bounds of a term, and the day (empty: none) and number of the first grade of it."""

    first: tuple[str, int]
    bounds: PhaseBounds


class KeptSummary(msgspec.Struct):
    """What a patient's current grades come to over the first course.

    ``software``: the version of Toxgrade that computed it. ``window``: that of the study's rules,
    by which grades of unknown phase were placed. ``rests_on``: the row ids of the results that
    grades of others rest on; None: all may be needed. ``phase_unknown`` counts graded results by
    the reason (``Unplaced``), ``other_courses`` those after the start of a later course,
    ``after_death`` all that are dated after the death.
    """

    software: str
    window: Window
    rests_on: tuple[int, ...] | None = None
    terms: dict[str, KeptTerm] = msgspec.field(default_factory=dict)
    phase_unknown: dict[str, int] = msgspec.field(default_factory=dict)
    other_courses: int = 0
    after_death: int = 0

    def add(self, rows: Iterable[GradeRow], courses: Sequence[Course]) -> None:
        """Count stored grades, all of each of their results."""
        treated = any(course.start or course.end for course in courses)
        unknown: dict[int | None, str] = {}
        later, dead = set[int | None](), set[int | None]()
        for row in rows:
            if Flag.AFTER_DEATH in row.flags:
                dead.add(row.result_id)
                continue
            self._count(row, courses)
            if row.at_least is None:
                continue
            if row.phase == "unknown":
                collected = read_collected(row.collected) if row.collected else None
                why = why_unplaced(collected, row.flags, treated=treated)
                unknown[row.result_id] = why.value
            elif row.course and row.phase in ("acute", "late"):
                later.add(row.result_id)
        for reason, number in Counter(unknown.values()).items():
            self.phase_unknown[reason] = self.phase_unknown.get(reason, 0) + number
        self.other_courses += len(later)
        self.after_death += len(dead)

    def _count(self, row: GradeRow, courses: Sequence[Course]) -> None:
        grade = _graded(row, courses, self.window)
        if grade.term is None or not grade.counts:
            return
        place = (row.collected_on.isoformat() if row.collected_on else "", row.id or 0)
        term = self.terms.setdefault(grade.term, KeptTerm(place, {}))
        term.first = min(term.first, place)
        add_grade(term.bounds, grade)

    def by_term(self) -> list[TermSummary]:
        """Return the summary of each term, in the order of their first grades."""
        in_order = sorted(self.terms.items(), key=lambda item: item[1].first)
        return [term_summary(name, term.bounds) for name, term in in_order]


def _graded(row: GradeRow, courses: Sequence[Course], window: Window) -> Graded:
    """Return what a summary needs of a stored grade, which is placed again if it was not."""
    places: tuple[Place, ...] = ()
    if row.phase == "unknown":
        collected = read_collected(row.collected) if row.collected else None
        places = possible_places(collected, courses, window)
    return Graded(
        row.term, row.phase, row.course, row.at_least, row.at_most, row.worse_than_baseline, places,
        is_ambiguous(row.phase, row.flags, row.baseline_grade),
    )  # fmt: skip


class Kept(msgspec.Struct, frozen=True):
    """A kept summary; ``basis``: the SHA-256 of what all the grades were made by."""

    basis: str
    summary: KeptSummary


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(KeptSummary).decode


def read_kept(connection: Connection, patient_ids: Sequence[int]) -> dict[int, Kept]:
    """Return the summaries that this version of Toxgrade keeps of patients, by row id."""
    rows = connection.execute(_KEPT, {"of_patients": patient_ids})
    found = {row.patient_id: read_document(row.basis, row.document) for row in rows}
    return {n: kept for n, kept in found.items() if kept is not None}


def read_document(basis: str, document: str) -> Kept | None:
    """Return a summary as it was kept; None: it is not one that this version makes."""
    try:
        summary = _decode(document)
    except msgspec.MsgspecError:
        return None
    return Kept(basis, summary) if summary.software == __version__ else None


def keep(transaction: Transaction, patient_id: int, kept: Kept) -> None:
    """Keep the summary of a patient of whom none is kept, or of whom grades are queued."""
    document = _encode(kept.summary).decode()
    row = (patient_id, kept.basis, document, transaction.runtime.now())
    transaction.add(patient_summaries, _COLUMNS, [row])


def forget(transaction: Transaction, patient_id: int) -> None:
    """Forget the summary of a patient, if one is kept."""
    transaction.read().execute(_FORGET, {"of_patients": [patient_id]})
