"""The toxicity table: how many patients had which grade, by row; as a document, CSV or HTML."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.worst import Bounds, CohortPatient, PatientRows, any_of
from toxgrade.grading.phase import Window

Kind = Literal["baseline", "worst"]
GRADES = range(6)

_WORSE_DEFINITION = (
    "worse than own baseline in any row: one of its terms, each against its own baseline; a liver"
    " enzyme counts also where the composite leaves it out"
)


@dataclass(slots=True)
class RowCount:
    """The patients of one row: each is in ``by_grade``, ``undecided`` or ``not_measured``.

    ``by_grade`` holds evaluable patients by grade; an undecided one whose lower bound is above 0
    is evaluable with that bound. ``could_be_higher``: evaluable, but an undecided result allows a
    higher grade. ``partial``, ``member_worse``: as in ``PatientRow``.
    """

    row: TableRow
    kind: Kind
    by_grade: dict[int, list[str]] = field(default_factory=lambda: {grade: [] for grade in GRADES})
    undecided: list[str] = field(default_factory=list)
    not_measured: int = 0
    could_be_higher: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    member_worse: list[str] = field(default_factory=list)

    @property
    def n_evaluable(self) -> int:
        return sum(map(len, self.by_grade.values()))

    def add(self, patient: str, bounds: Bounds | None) -> None:
        if bounds is None:
            self.not_measured += 1
        elif bounds.shown is None:
            self.undecided.append(patient)
        else:
            self.by_grade[bounds.shown].append(patient)
            if bounds.at_most is not None and bounds.at_most > bounds.shown:
                self.could_be_higher.append(patient)


@dataclass(slots=True)
class AnyToxicity:
    """The patients who meet a definition of toxicity, and those for whom it is ``unknown``."""

    definition: str
    patients: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ToxicityTable:
    """A study's table, by row. ``window_incomplete``: patients not followed to the end of their
    acute window, or whose next course began within it, or whose window has no known end.
    """

    scope: Scope
    rows: list[RowCount]
    worse_than_baseline: AnyToxicity
    clinical_or_haematological: AnyToxicity
    any_grade: AnyToxicity
    n_patients: int = 0
    window_incomplete: list[str] = field(default_factory=list)


def toxicity_table(
    cohort: Iterable[CohortPatient], rows: Sequence[TableRow], scope: Scope, window: Window
) -> ToxicityTable:
    """Count a cohort that was queried for ``scope``."""
    kinds: dict[bool, tuple[Kind, ...]] = {True: ("baseline", "worst"), False: ("worst",)}
    table = ToxicityTable(
        scope,
        [RowCount(row, kind) for row in rows for kind in kinds[row.with_baseline]],
        AnyToxicity(_WORSE_DEFINITION),
        AnyToxicity("any grade in clinical or haematological rows, those without a baseline"),
        AnyToxicity("any grade in any row, baseline grades that persist included"),
    )
    cached_rows = [PatientRows(row, scope.windows) for row in rows]
    for patient in cohort:
        _count(table, patient, cached_rows)
        if not _window_complete(patient, window):
            table.window_incomplete.append(patient.name)
    return table


def _count(table: ToxicityTable, patient: CohortPatient, rows: Sequence[PatientRows]) -> None:
    """Add one patient to every row of the table and to its definitions of toxicity."""
    by_label = {each.row.label: each.row_of(patient.windows) for each in rows}
    table.n_patients += 1
    for count in table.rows:
        row = by_label[count.row.label]
        count.add(patient.name, row.baseline if count.kind == "baseline" else row.worst)
        if count.kind == "worst" and row.partial:
            count.partial.append(patient.name)
        if count.kind == "worst" and row.member_worse:
            count.member_worse.append(patient.name)
    any_grade = any_of(row.any_grade for row in by_label.values())
    any_worse = any_of(row.any_worse for row in by_label.values())
    without = any_of(by_label[r.row.label].any_grade for r in rows if not r.row.with_baseline)
    _add_verdict(table.worse_than_baseline, patient.name, any_worse)
    _add_verdict(table.clinical_or_haematological, patient.name, without)
    _add_verdict(table.any_grade, patient.name, any_grade)


def _add_verdict(toxicity: AnyToxicity, patient: str, verdict: bool | None) -> None:
    if verdict:
        toxicity.patients.append(patient)
    elif verdict is None:
        toxicity.unknown.append(patient)


def _window_complete(patient: CohortPatient, window: Window) -> bool:
    """Return whether the patient was followed to the last acute day, without a next course."""
    course = patient.course
    anchor = (course.end if window.anchor == "end" else course.start) if course else None
    if anchor is None or patient.seen_until is None:
        return False
    last = window.last_acute_day(anchor)
    return patient.seen_until >= last and (patient.next_start is None or patient.next_start > last)


def percent(n: int, of: int) -> int | float | None:
    """Return n in percent of ``of`` to one decimal (int where whole), halves up; None of 0."""
    if of == 0:
        return None
    exact = (Decimal(100 * n) / of).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def counted_document(table: ToxicityTable, definition: str) -> dict[str, Any]:
    """Return a counted table as a document, without the study's name: exports have no study."""
    n, scope = table.n_patients, table.scope
    return {
        "phase": scope.phase,
        "course": scope.course,
        "on_treatment": scope.on_treatment,
        "include_baseline": scope.include_baseline,
        "n_patients": n,
        "definition": definition,
        "rows": [_row_document(row, n) for row in table.rows],
        "any_toxicity": _any_document(table.worse_than_baseline, n),
        "any_toxicity_alternative": _any_document(table.clinical_or_haematological, n),
        "any_grade": _any_document(table.any_grade, n),
        "window_complete": n - len(table.window_incomplete),
        "window_incomplete": table.window_incomplete,
    }


def _row_document(count: RowCount, n: int) -> dict[str, Any]:
    return {
        "label": count.row.label,
        "kind": count.kind,
        "terms": list(count.row.terms),
        "counts": {str(grade): len(count.by_grade[grade]) for grade in GRADES},
        "percent": {str(grade): percent(len(count.by_grade[grade]), n) for grade in GRADES},
        "n_evaluable": count.n_evaluable,
        "undecided": len(count.undecided),
        "not_measured": count.not_measured,
        "could_be_higher": len(count.could_be_higher),
        "patients": {
            "by_grade": {str(grade): count.by_grade[grade] for grade in GRADES if grade},
            "undecided": count.undecided,
            "could_be_higher": count.could_be_higher,
            "partial": count.partial,
            "member_worse": count.member_worse,
        },
    }


def _any_document(toxicity: AnyToxicity, n: int) -> dict[str, Any]:
    return {
        "n": len(toxicity.patients),
        "percent": percent(len(toxicity.patients), n),
        "unknown": toxicity.unknown,
        "definition": toxicity.definition,
        "patients": toxicity.patients,
    }


def table_csv(document: dict[str, Any]) -> str:
    """Return the table as CSV: per row and kind the n and percent of each grade, then the rest."""
    numbers = ("n_evaluable", "undecided", "not_measured", "could_be_higher")
    grades = [str(grade) for grade in GRADES]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    shown = [name for g in grades for name in (f"grade_{g}_n", f"grade_{g}_percent")]
    writer.writerow(["study", "phase", "n_patients", "label", "kind", *shown, *numbers])
    study = document.get("study")
    for row in document["rows"]:
        cells = [part for g in grades for part in (row["counts"][g], row["percent"][g])]
        head = (study, document["phase"], document["n_patients"], row["label"], row["kind"])
        writer.writerow([*head, *cells, *(row[name] for name in numbers)])
    return out.getvalue()


def table_html(document: dict[str, Any]) -> str:
    """Return the table as a page to print or to paste into a manuscript; it loads nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("toxgrade.cohort", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return templates.get_template("toxicity_table.html").render(document)


def table_json(document: dict[str, Any]) -> str:
    """Return the document as indented JSON."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


WRITERS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    ".html": table_html,
    ".csv": table_csv,
    ".json": table_json,
}
"""The writer of a toxicity table by the suffix of the file."""
