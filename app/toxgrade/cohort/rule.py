"""The rule behind a report in words, so that no number stands without its definition."""

from collections.abc import Sequence

from toxgrade.cohort.rows import TableRow
from toxgrade.cohort.scope import Scope
from toxgrade.criteria.model import Edition
from toxgrade.grading.phase import Window


def rule(edition: Edition, window: Window, rows: Sequence[TableRow], scope: Scope) -> str:
    """Edition, baseline, window, composites and what is counted, for the foot of a table."""
    length = f"{window.months} calendar months" if window.days is None else f"{window.days} days"
    until = f"radiotherapy {window.anchor} + {length}"
    spans = {
        "acute": f"after radiotherapy start and up to {until}, inclusive",
        "late": f"after {until}",
        "both": "after radiotherapy start (acute and late together)",
    }
    sentences = [
        f"Graded by {edition.label}{_readings(edition, rows)}.",
        "Baseline: per term, the last valid result on or before radiotherapy start.",
        f"Worst: the highest grade {spans[scope.phase]}, {_course(scope.course)} course, baseline"
        f" {'' if scope.include_baseline else 'not '}included; an undecided result counts for the"
        " grade that is certain.",
        *(f"{row.label}: highest of {', '.join(row.terms)}." for row in rows if len(row.terms) > 1),
        "Clinical terms without an event count as grade 0.",
        "Percentages are of all patients of the study"
        f"{'' if scope.course == 1 else ' who had this course'}.",
        "Superseded and withdrawn results never count.",
    ]
    if not scope.on_treatment:
        sentences.insert(3, "Only what was taken after the end of radiotherapy is counted.")
    return " ".join(sentences)


def _readings(edition: Edition, rows: Sequence[TableRow]) -> str:
    """How the text was read where it leaves a choice for one of these rows, or one was made."""
    terms = [term for row in rows for term in row.terms]
    read = [
        f"{i.name} {edition.chosen.get(i.name, i.readings[0].name)}"
        for i in edition.interpretations
        if i.name in edition.chosen or i.concerns(terms)
    ]
    return f", read as: {', '.join(read)}" if read else ""


def _course(number: int) -> str:
    return "first" if number == 1 else f"number {number}"
