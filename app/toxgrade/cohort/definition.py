"""What of a study a report looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from toxgrade.criteria.model import Direction, Edition
from toxgrade.grading.phase import Window

ReportPhase = Literal["acute", "late", "both"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The window of a report, and its choices; the defaults are the paper's.

    ``course``: the course of radiotherapy, 1 the first; a later one counts only patients who had
    it. ``on_treatment`` False leaves out what is not certainly after the end of radiotherapy.
    ``include_baseline``: the worst grade is not below the baseline's.
    """

    phase: ReportPhase = "acute"
    course: int = 1
    on_treatment: bool = True
    include_baseline: bool = False

    @property
    def windows(self) -> tuple[str, ...]:
        """The phases whose grades make the worst grade."""
        after = ("acute", "late") if self.phase == "both" else (self.phase,)
        return ("baseline", *after) if self.include_baseline else after


LIVER_ENZYMES = ("ALT", "AST", "ALP", "GGT")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row: the highest grade of its ``terms``.

    ``clinical``: graded by clinicians alone, so that no event means grade 0. ``with_baseline``: the
    table shows the baseline grades beside the worst ones. ``also``: terms outside the composite
    that still make a patient toxic.
    """

    label: str
    terms: tuple[str, ...]
    clinical: bool = False
    with_baseline: bool = False
    also: tuple[str, ...] = ()


def paper_rows(edition: Edition, liver_enzymes: Sequence[str]) -> tuple[TableRow, ...]:
    """The rows of Table 2 of Pei et al., J Int Med Res 2020;48(4), doi 10.1177/0300060519892382.

    ``liver_enzymes`` are the analytes of the composite; the row takes the terms that grade them
    when they rise. An enzyme left out of it is still one that can be toxic.
    """
    enzymes = _graded(edition, liver_enzymes, "high")
    all_enzymes = _graded(edition, LIVER_ENZYMES, "high")
    others = tuple(term for term in all_enzymes if term not in enzymes)
    return (
        TableRow("Nausea", ("Nausea",), clinical=True),
        TableRow("Liver pain", ("Hepatic pain",), clinical=True),
        TableRow("Fatigue", ("Fatigue",), clinical=True),
        TableRow("Leukopenia", _graded(edition, ["WBC"], "low")),
        TableRow("Thrombocytopenia", _graded(edition, ["platelets"], "low")),
        TableRow("Bilirubin", _graded(edition, ["bilirubin"], "high"), with_baseline=True),
        TableRow("Liver enzymes", enzymes, with_baseline=True, also=others),
        TableRow("Albumin", _graded(edition, ["albumin"], "low"), with_baseline=True),
    )


def _graded(edition: Edition, analytes: Sequence[str], direction: Direction) -> tuple[str, ...]:
    """What the edition calls it: low platelets have another name in 6.0 than in 4.03."""
    return tuple(
        term.name
        for analyte in analytes
        for term in edition.terms_of(analyte)
        if term.direction == direction
    )


def definition_text(
    edition: Edition, window: Window, rows: Sequence[TableRow], scope: Scope
) -> str:
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
        f"{i.name} {edition.chosen.get(i.name, i.choices[0].name)}"
        for i in edition.interpretations
        if i.name in edition.chosen or i.concerns(terms)
    ]
    return f", read as: {', '.join(read)}" if read else ""


def _course(number: int) -> str:
    return "first" if number == 1 else f"number {number}"
