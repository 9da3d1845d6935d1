"""What a graded row is: the one list of its columns, from which every other place takes them.

The table of grades, the columns of files and frames, the API's answers, FHIR's components, ADaM's
names and ``docs/columns.md`` derive from the fields of ``GradeRow``.
"""

from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args, get_origin, get_type_hints

import msgspec

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import LabResult, PatientGrade, Phase


class Column(msgspec.Struct, frozen=True):
    """What a column of a graded row is, beside its name and its type.

    ``holds``, and what null means (empty: it is never null where it is stored or shown). ``files``:
    every file and frame of grades has it, or only those of stored batches. ``table``: where it is
    stored; empty: as a key. ``adam``: its name in ADaM files. ``fhir``: its place among the
    components of an Observation, and what is displayed there. ``length`` of a text and ``comment``
    in the database; ``bits`` of an integer in files. ``of_term``: null where an edition grades the
    result for the term no more. ``shown``: it is in the answers of the API.
    """

    holds: str
    null: str = ""
    files: Literal["", "every", "batch"] = ""
    table: Literal["", "grades", "results"] = "grades"
    adam: str = ""
    fhir: tuple[int, str] | None = None
    length: int | None = None
    comment: str | None = None
    bits: Literal[8, 32] = 8
    of_term: bool = False
    shown: bool = True

    @property
    def sentence(self) -> str:
        """Return what it holds, and what null means."""
        text = f"{self.holds}; null: {self.null}" if self.null else self.holds
        return f"{text[0].upper()}{text[1:]}."


_NO_TERM = "the analyte is not graded"
_NOTHING = "nothing is known of the grade"
_NOT_SENT = "not sent"
_UNPLACED = "the dates do not decide it"


class GradedResult(msgspec.Struct, gc=False):
    """One result graded for one term: the interval that what is known allows, and why."""

    # fmt: off
    analyte: Annotated[str, Column(
        "the analyte: our name, else as sent")]
    term: Annotated[str | None, Column(
        "CTCAE's term", _NO_TERM, "every", adam="ATOXDSC", of_term=True)]
    meddra: Annotated[str | None, Column(
        "the term's MedDRA code", _NO_TERM, length=8, of_term=True)]
    soc: Annotated[str | None, Column(
        "the term's system organ class", _NO_TERM, of_term=True)]
    grade: Annotated[int | None, Column(
        "the grade, 0 to 5", "not decided; `reason` says why", "every", of_term=True)]
    at_least: Annotated[int | None, Column(
        "the lowest grade that is possible", _NOTHING, "every", adam="ATOXMIN",
        fhir=(7, "Grade at least"), of_term=True)]
    at_most: Annotated[int | None, Column(
        "the highest grade that a number can decide and that is possible", _NOTHING, "every",
        adam="ATOXMAX", fhir=(8, "Grade at most"), of_term=True)]
    reason: Annotated[str | None, Column(
        "why the grade is not decided", "it is", "every", adam="ATOXREAS", length=32)]
    criterion: Annotated[str | None, Column(
        "NCI's wording of the grade", "grade 0, or not decided", "every", adam="ATOXCRIT",
        fhir=(6, "Criterion (NCI)"), of_term=True)]
    because: Annotated[str, Column(
        "one sentence by which the grade can be checked by hand", files="batch")]
    phase: Annotated[Phase, Column(
        "`pre_treatment`, `baseline`, `acute`, `late` or `unknown`", files="every", adam="APHASE",
        fhir=(1, "Phase"), length=16)]
    on_treatment: Annotated[bool | None, Column(
        "whether it was taken after the first day of radiotherapy and up to its end", _UNPLACED,
        "every", adam="ONTRTFL", fhir=(5, "On treatment"))]
    days_from_end: Annotated[int | None, Column(
        "days after the end of radiotherapy; negative before it", _UNPLACED, "every", bits=32,
        adam="ADYEND", fhir=(4, "Days from the end of radiotherapy"))]
    baseline_grade: Annotated[int | None, Column(
        "the grade of the baseline that it was compared with", "no baseline, or not decided",
        "every", fhir=(2, "Baseline grade"), of_term=True)]
    worse_than_baseline: Annotated[bool | None, Column(
        "whether its grade is higher than the baseline's", "not known", "every",
        fhir=(3, "Worse than baseline"), of_term=True)]
    flags: Annotated[tuple[str, ...], Column(
        "remarks that a reader should see; in files and tables joined by a space", files="every",
        adam="ATOXFL", comment="joined by a space")]
    collected: Annotated[str | None, Column(
        "when the specimen was taken, as written", _NOT_SENT, table="results")]
    value: Annotated[str | None, Column(
        "the value as reported, with its comparator", _NOT_SENT, table="results")]
    unit: Annotated[str | None, Column("its unit, as sent", _NOT_SENT, table="results")]
    lln: Annotated[str | None, Column(
        "the lower limit of normal, in `limit_unit`", _NOT_SENT, table="results")]
    uln: Annotated[str | None, Column(
        "the upper limit of normal, in `limit_unit`", _NOT_SENT, table="results")]
    limit_unit: Annotated[str | None, Column(
        "the unit of the limits", "that of the value", table="results")]
    source_id: Annotated[str | None, Column(
        "the sender's number of the result", _NOT_SENT, table="results")]
    status: Annotated[str, Column("the status of the result, as sent", table="results")]
    specimen: Annotated[str | None, Column("the specimen, as sent", _NOT_SENT, table="results")]
    indicator: Annotated[str | None, Column(
        "the sender's normal or abnormal flag, as sent", _NOT_SENT, table="results")]
    edition: Annotated[str, Column(
        "the edition of CTCAE", files="every", adam="ATOXVER", length=16)]
    criteria_sha256: Annotated[str, Column("the SHA-256 of the edition's file", length=64)]
    # fmt: on

    @classmethod
    def of(cls, entry: PatientGrade, lab: LabResult, grader: TermGrader) -> Self:
        """Return the row of a grade of ``lab``."""
        grade, term = entry.grade, entry.grade.term
        # In the order of the columns: named, they take five times as long to fill in.
        return cls(
            term.analyte if term else lab.analyte,
            term.name if term else None,
            term.meddra if term else None,
            term.soc if term else None,
            grade.grade,
            grade.at_least,
            grade.at_most,
            grade.reason.value if grade.reason else None,
            grade.criterion,
            grade.because,
            entry.phase,
            entry.on_treatment,
            entry.days_from_end,
            entry.baseline_grade,
            entry.worse_than_baseline,
            grade.flags,
            lab.collected.text if lab.collected else None,
            lab.value.text if lab.value else None,
            lab.unit,
            to_plain_text(lab.lln),
            to_plain_text(lab.uln),
            lab.limit_unit,
            lab.source_id,
            lab.status,
            lab.specimen,
            lab.indicator,
            grader.edition.name,
            grader.edition.sha256,
        )


class GradeRow(GradedResult, gc=False):
    """A stored grade with the result that it grades; before it is stored it has no keys."""

    # fmt: off
    id: Annotated[int | None, Column("the number of the grade", table="")] = None
    supersedes_id: Annotated[int | None, Column(
        "the number of the grade that it replaces", "none: it is the first", table="")] = None
    lab: Annotated[str | None, Column("the laboratory", _NOT_SENT, table="results")] = None
    study_range: Annotated[str | None, Column(
        "the row of the study's own ranges that was used", "none was", of_term=True,
        comment="JSON: the study's own range, where it was used")] = None
    recorded_at: Annotated[datetime | None, Column("when it was stored", table="")] = None
    software: Annotated[str, Column("the version of Toxgrade that graded it", length=32)] = ""
    collected_on: Annotated[date | None, Column(
        "the first day on which it may have been taken, for order", "undated", shown=False,
        comment="first possible day, for order; null: undated")] = None
    course: Annotated[int | None, Column(
        "the course of radiotherapy that it belongs to, from 0", "the patient has none",
        shown=False)] = None
    identity: Annotated[str, Column(
        "what the versions of one result share", table="results", shown=False)] = ""
    result_id: Annotated[int | None, Column(
        "the number of the version of the result", table="", shown=False)] = None
    patient_id: Annotated[int | None, Column(
        "the number of the patient", table="", shown=False)] = None
    # fmt: on

    @classmethod
    def of(cls, entry: PatientGrade, lab: LabResult, grader: TermGrader) -> Self:
        """Return the row to be stored of a grade of ``lab``, but for its keys and its software."""
        row = super().of(entry, lab, grader)
        analyte = grader.names.analyte(lab.analyte)
        row.analyte = analyte.name if analyte else lab.analyte
        row.lab = lab.lab
        row.collected_on = lab.collected.first if lab.collected else None
        row.course = entry.course
        return row


class Field(NamedTuple):
    """A column by name; ``kind`` is the type of what is not null, ``hint`` as it is declared."""

    name: str
    kind: type
    hint: Any
    column: Column


def _kind(hint: Any) -> type:
    """Return the type of what is not None: ``str`` of a Literal, ``tuple`` of one of texts."""
    if isinstance(hint, UnionType):
        hint = next(one for one in get_args(hint) if one is not NoneType)
    origin = get_origin(hint) or hint
    return str if origin is Literal else origin


def meaning(name: str) -> str:
    """Return what a column holds, and what null means, as a sentence."""
    return next(field.column.sentence for field in FIELDS if field.name == name)


_HINTS = get_type_hints(GradeRow, include_extras=True)
FIELDS = tuple(
    Field(name, _kind(hint), hint, column)
    for name in GradeRow.__struct_fields__
    for hint, column in [get_args(_HINTS[name])]
)
GRADE_TABLE = tuple(field.name for field in FIELDS if field.column.table == "grades")
"""The columns of a stored grade but for its keys."""


def _in_files(*files: str) -> tuple[Field, ...]:
    """Return the columns in the order of files, which have the flags after the reason."""
    found = {field.name: field for field in FIELDS if field.column.files in files}
    names = [name for name in found if name != "flags"]
    names.insert(names.index("reason") + 1, "flags")
    return tuple(found[name] for name in names)


IN_FILES, IN_BATCHES = _in_files("every"), _in_files("every", "batch")
FILE_COLUMNS = tuple(field.name for field in IN_FILES)
"""The columns that grading adds to a file or frame, in order."""
ADAM_NAMES = {field.name: field.column.adam for field in IN_FILES if field.column.adam}
