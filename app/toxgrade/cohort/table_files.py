"""The toxicity table as a file: CSV, HTML or JSON."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping

import msgspec

from toxgrade.cohort.table_report import TableReport
from toxgrade.cohort.toxicity_table import GRADES
from toxgrade.spreadsheet import to_row


def table_csv(report: TableReport) -> str:
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
    head = (getattr(report, "study", None), report.phase, report.n_patients)
    for row in report.rows:
        cells = [part for g in grades for part in (row.counts[g], row.percent[g])]
        tail = (getattr(row, name) for name in numbers)
        rows.append([*head, row.label, row.kind, *cells, *tail, *[None] * len(limits)])
    nothing, unknown = [None] * len(shown), [None] * len((*numbers, *limits))
    for label, share in (
        ("Any grade", report.any_grade),
        ("Grade 3 or more", report.grade_3_or_more),
    ):
        counts = (share.n_evaluable, len(share.unknown), None, None)
        own = (getattr(share, name) for name in limits)
        rows.append([*head, label, "patients", *nothing, *counts, *own])
    for one in report.other:
        cells = [one.n if name == f"grade_{one.grade}_n" else None for name in shown]
        rows.append([*head, one.term, "other", *cells, *unknown])
    for label in report.not_collected:
        rows.append([*head, label, "not collected", *nothing, *unknown])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(to_row, rows))
    return out.getvalue()


def table_html(report: TableReport) -> str:
    """Return the table as a page to print or to paste into a manuscript; it loads nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("toxgrade.cohort", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return templates.get_template("toxicity_table.html").render(vars(report))


def table_json(report: TableReport) -> str:
    """Return the report as indented JSON."""
    return json.dumps(msgspec.to_builtins(report), indent=1, ensure_ascii=False) + "\n"


WRITERS: Mapping[str, Callable[[TableReport], str]] = {
    ".html": table_html,
    ".csv": table_csv,
    ".json": table_json,
}
"""The writer of a toxicity table by the suffix of the file."""
