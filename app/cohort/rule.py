"""The rule behind a report in words, so that no number stands without its definition."""

from collections.abc import Sequence

from app.cohort.rows import TableRow
from app.cohort.table import Report
from app.criteria.model import Edition
from app.grading.phase import Window


def rule(edition: Edition, window: Window, rows: Sequence[TableRow], phase: Report) -> str:
    """Edition, baseline, window, composites and what is counted, for the foot of a table."""
    length = f"{window.months} calendar months" if window.days is None else f"{window.days} days"
    until = f"radiotherapy {window.anchor} + {length}"
    spans = {
        "acute": f"after radiotherapy start and up to {until}, inclusive",
        "late": f"after {until}",
        "both": "after radiotherapy start (acute and late together)",
    }
    members = " ".join(
        f"{row.label}: highest of {', '.join(row.terms)}." for row in rows if len(row.terms) > 1
    )
    return (
        f"Graded by {edition.label}. Baseline: per term, the last valid result on or before"
        f" radiotherapy start. Worst: the highest grade {spans[phase]}, first course, baseline not"
        f" included; an undecided result counts for the grade that is certain. {members} Clinical"
        " terms without an event count as grade 0. Percentages are of all patients of the study."
        " Superseded and withdrawn results never count."
    )
