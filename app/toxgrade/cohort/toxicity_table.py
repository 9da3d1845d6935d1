"""The toxicity table of a study: how many patients had which grade, by row, in a window."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.worst import Bounds, CohortPatient, PatientRows, any_of
from toxgrade.grading.phase import Window

Kind = Literal["baseline", "worst"]
GRADES = range(6)

_WORSE = (
    "worse than own baseline in any row: one of its terms, each against its own baseline; a liver"
    " enzyme counts also where the composite leaves it out"
)


@dataclass(slots=True)
class RowCount:
    """The patients of one row by what is known of them; every patient is in one of the first three.

    ``by_grade`` holds the evaluable ones by grade; an undecided one whose lower bound is above 0
    is evaluable with that bound. ``could_be_higher``: evaluable, but an undecided result allows
    more. ``partial``, ``member_worse``: as in ``PatientRow``.
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
    """Patients that meet a definition of toxicity, and those of whom it cannot be said."""

    definition: str
    patients: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ToxicityTable:
    """A study's table. ``window_incomplete``: patients not followed to the end of their acute
    window (or only to a second course within it), or whose window has no end yet.
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
    """Count a cohort that was read for ``scope``."""
    kinds: dict[bool, tuple[Kind, ...]] = {True: ("baseline", "worst"), False: ("worst",)}
    table = ToxicityTable(
        scope,
        [RowCount(row, kind) for row in rows for kind in kinds[row.with_baseline]],
        AnyToxicity(_WORSE),
        AnyToxicity("any grade in clinical or haematological rows, those without a baseline"),
        AnyToxicity("any grade in any row, baseline grades that persist included"),
    )
    readers = [PatientRows(row, scope.windows) for row in rows]
    for patient in cohort:
        _count(table, patient, readers)
        if not _followed(patient, window):
            table.window_incomplete.append(patient.name)
    return table


def _count(table: ToxicityTable, patient: CohortPatient, rows: Sequence[PatientRows]) -> None:
    found = {each.row.label: each.of(patient.windows) for each in rows}
    table.n_patients += 1
    for count in table.rows:
        mine = found[count.row.label]
        count.add(patient.name, mine.baseline if count.kind == "baseline" else mine.worst)
        if count.kind == "worst" and mine.partial:
            count.partial.append(patient.name)
        if count.kind == "worst" and mine.member_worse:
            count.member_worse.append(patient.name)
    everywhere = any_of(one.any_grade for one in found.values())
    without = any_of(found[r.row.label].any_grade for r in rows if not r.row.with_baseline)
    _say(table.worse_than_baseline, patient.name, any_of(one.any_worse for one in found.values()))
    _say(table.clinical_or_haematological, patient.name, without)
    _say(table.any_grade, patient.name, everywhere)


def _say(toxicity: AnyToxicity, patient: str, verdict: bool | None) -> None:
    if verdict:
        toxicity.patients.append(patient)
    elif verdict is None:
        toxicity.unknown.append(patient)


def _followed(patient: CohortPatient, window: Window) -> bool:
    course = patient.course
    anchor = (course.end if window.anchor == "end" else course.start) if course else None
    if anchor is None or patient.seen_until is None:
        return False
    last = window.last_acute_day(anchor)
    return patient.seen_until >= last and (patient.next_start is None or patient.next_start > last)


def percent(n: int, of: int) -> int | float | None:
    """``n`` of ``of`` to one decimal, halves up; whole ones as integers; None of none."""
    if of == 0:
        return None
    exact = (Decimal(100 * n) / of).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return int(exact) if exact == exact.to_integral_value() else float(exact)


_TEMPLATES = Environment(
    loader=PackageLoader("toxgrade.cohort", ""), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


def counted_document(table: ToxicityTable, definition: str) -> dict[str, Any]:
    """A counted table without its study: what files that never enter the database are given."""
    n, scope = table.n_patients, table.scope
    return {
        "phase": scope.phase,
        "course": scope.course,
        "on_treatment": scope.on_treatment,
        "include_baseline": scope.include_baseline,
        "n_patients": n,
        "definition": definition,
        "rows": [_row_document(row, n) for row in table.rows],
        "any_toxicity": _any(table.worse_than_baseline, n),
        "any_toxicity_alternative": _any(table.clinical_or_haematological, n),
        "any_grade": _any(table.any_grade, n),
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


def _any(toxicity: AnyToxicity, n: int) -> dict[str, Any]:
    return {
        "n": len(toxicity.patients),
        "percent": percent(len(toxicity.patients), n),
        "unknown": toxicity.unknown,
        "definition": toxicity.definition,
        "patients": toxicity.patients,
    }


def table_csv(document: dict[str, Any]) -> str:
    """One line per row and kind: n and percent of each grade, then what is not known."""
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
    """A page to print or to paste into a manuscript; nothing in it is loaded from elsewhere."""
    return _TEMPLATES.get_template("toxicity_table.html").render(document)


def table_json(document: dict[str, Any]) -> str:
    """The document itself, indented."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


WRITERS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    ".html": table_html,
    ".csv": table_csv,
    ".json": table_json,
}
"""What a file with a toxicity table holds, by its suffix."""
