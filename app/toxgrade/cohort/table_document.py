"""The toxicity table as a document, CSV or HTML, with what it leaves out."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toxgrade.cohort.intervals import percent, percent_interval
from toxgrade.cohort.toxicity_table import GRADES, PatientsWith, RowCount, ToxicityTable
from toxgrade.spreadsheet import to_row


@dataclass(slots=True)
class LeftOut:
    """What a reduction could not place, or did not count.

    ``phase_unknown``: the number of graded results whose phase is unknown, by reason
    (``no_date``, ``date_too_coarse``, ``no_end_of_treatment``, ``no_start_of_treatment``); they
    count as bounds.
    ``other_courses`` and ``after_death``: the number of results by patient that lie in another
    course after its start, or after the patient's death, and are not counted. ``without_course``:
    the patients of whom no course is known, who are not in the denominator.
    """

    phase_unknown: dict[str, int] = field(default_factory=dict)
    other_courses: dict[str, int] = field(default_factory=dict)
    after_death: dict[str, int] = field(default_factory=dict)
    without_course: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return it with its totals."""
        return {
            "phase_unknown": {"n": sum(self.phase_unknown.values())}
            | dict(sorted(self.phase_unknown.items())),
            "other_courses": results_of(self.other_courses),
            "after_death": results_of(self.after_death),
            "without_course": {
                "n": len(self.without_course),
                "patients": sorted(self.without_course),
            },
        }


def results_of(by_patient: Mapping[str, int]) -> dict[str, Any]:
    """Return the number of results, from that of each patient, and the patients."""
    return {"results": sum(by_patient.values()), "patients": sorted(by_patient)}


def counted_document(
    table: ToxicityTable, definition: str, not_collected: Sequence[str], left_out: LeftOut
) -> dict[str, Any]:
    """Return a counted table as a document, without the study's name: exports have no study.

    ``not_collected``: the labels of clinical rows that no event stands behind.
    """
    n, scope = table.n_patients, table.scope
    worse = _definition_document(table.worse_than_baseline, n)
    alternative = _definition_document(table.clinical_or_haematological, n)
    return {
        "phase": scope.phase,
        "course": scope.course,
        "on_treatment": scope.on_treatment,
        "include_baseline": scope.include_baseline,
        "attribution": list(scope.attributions),
        "n_patients": n,
        "definition": definition,
        "rows": [_row_document(row, n) for row in table.rows],
        "not_collected": list(not_collected),
        "other": [
            {"term": term, "grade": grade, "n": len(patients), "patients": patients}
            for (term, grade), patients in sorted(table.other.items())
        ],
        "other_undecided": [
            {"term": term, "n": len(patients), "patients": patients}
            for term, patients in sorted(table.other_undecided.items())
        ],
        "any_toxicity": worse
        | {"by_2_or_more": {"n": len(table.by_two), "patients": table.by_two}},
        "any_toxicity_alternative": alternative,
        "clinical_or_haematological": alternative,
        "any_grade": _share_document(table.any_grade, n),
        "grade_3_or_more": _share_document(table.grade_3_or_more, n),
        "window_complete": n - len(table.window_incomplete),
        "window_incomplete": table.window_incomplete,
        **left_out.document(),
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


def _definition_document(found: PatientsWith, n: int) -> dict[str, Any]:
    return {
        "n": len(found.patients),
        "percent": percent(len(found.patients), n),
        "unknown": found.unknown,
        "definition": found.definition,
        "patients": found.patients,
    }


def _share_document(found: PatientsWith, n: int) -> dict[str, Any]:
    """Return n with its exact 95 % interval, of all patients and of those who are decided.

    ``n_at_most`` counts the undecided too.
    """
    own = len(found.patients)
    evaluable = n - len(found.unknown)
    low, high = percent_interval(own, n)
    low_evaluable, high_evaluable = percent_interval(own, evaluable)
    return _definition_document(found, n) | {
        "n_at_most": own + len(found.unknown),
        "low": low,
        "high": high,
        "n_evaluable": evaluable,
        "percent_evaluable": percent(own, evaluable),
        "low_evaluable": low_evaluable,
        "high_evaluable": high_evaluable,
    }


_SHARES = {"any_grade": "Any grade", "grade_3_or_more": "Grade 3 or more"}


def table_csv(document: dict[str, Any]) -> str:
    """Return the table as CSV: per row and kind the n and percent of each grade, then the rest.

    Below the rows stand the two shares of patients with their 95 % limits, the severe grades that
    no row names, and rows that were not collected, told by ``kind``. No label is a formula.
    """
    numbers = ("n_evaluable", "undecided", "not_measured", "could_be_higher")
    limits = ("n", "percent", "low", "high", "n_at_most")
    grades = [str(grade) for grade in GRADES]
    shown = [name for g in grades for name in (f"grade_{g}_n", f"grade_{g}_percent")]
    columns = ("study", "phase", "n_patients", "label", "kind", *shown, *numbers, *limits)
    rows: list[Iterable[object]] = [columns]
    head = (document.get("study"), document["phase"], document["n_patients"])
    for row in document["rows"]:
        cells = [part for g in grades for part in (row["counts"][g], row["percent"][g])]
        tail = (row[name] for name in numbers)
        rows.append([*head, row["label"], row["kind"], *cells, *tail, *[None] * len(limits)])
    nothing, unknown = [None] * len(shown), [None] * len((*numbers, *limits))
    for name, label in _SHARES.items():
        share = document[name]
        undecided = len(share["unknown"])
        counts = (share["n_evaluable"], undecided, None, None)
        rows.append([*head, label, "patients", *nothing, *counts, *(share[x] for x in limits)])
    for one in document["other"]:
        cells = [one["n"] if name == f"grade_{one['grade']}_n" else None for name in shown]
        rows.append([*head, one["term"], "other", *cells, *unknown])
    for label in document["not_collected"]:
        rows.append([*head, label, "not collected", *nothing, *unknown])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(to_row, rows))
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
