"""The toxicity table as callers get it: a document for JSON, the same as CSV and as HTML."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from toxgrade.cohort.toxicity_table import GRADES, AnyToxicity, RowCount, ToxicityTable, percent

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
        "rows": [_count(row, n) for row in table.rows],
        "any_toxicity": _any(table.worse_than_baseline, n),
        "any_toxicity_alternative": _any(table.clinical_or_haematological, n),
        "any_grade": _any(table.any_grade, n),
        "window_complete": n - len(table.window_incomplete),
        "window_incomplete": table.window_incomplete,
    }


def _count(count: RowCount, n: int) -> dict[str, Any]:
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
