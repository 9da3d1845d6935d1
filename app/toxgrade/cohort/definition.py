"""The definition of a report: its window, the rows of its table, and the text that states them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from toxgrade.criteria.model import Direction, Edition
from toxgrade.grading.event import ATTRIBUTIONS, Attribution
from toxgrade.grading.phase import Window
from toxgrade.grading.result import Phase

ReportPhase = Literal["acute", "late", "both"]
By = Literal["uln", "baseline"]
"""What the multiples of an eDISH plot are of."""
LIVER_ENZYMES = ("ALT", "AST", "ALP", "GGT")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report counts: window, course and options; the defaults are the paper's.

    ``course``: the course of radiotherapy, 1 is the first; only patients who had it are counted.
    ``on_treatment`` False leaves out acute grades unless they lie certainly after the end of
    radiotherapy. ``include_baseline``: the baseline grade also counts towards the worst grade.
    ``attributions``: those of clinicians' grades that count; laboratory grades, which have none of
    their own, are ``unknown``.
    """

    phase: ReportPhase = "acute"
    course: int = 1
    on_treatment: bool = True
    include_baseline: bool = False
    attributions: Sequence[Attribution] = ATTRIBUTIONS

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases after the start from which the worst grade is taken."""
        return ("acute", "late") if self.phase == "both" else (self.phase,)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the toxicity table; it counts the highest grade of its ``terms``.

    ``clinical``: clinicians alone grade the terms, so no event means grade 0. ``with_baseline``:
    the table also shows the baseline grades. ``also``: terms outside the composite that still count
    as toxicity of the patient.
    """

    label: str
    terms: tuple[str, ...]
    clinical: bool = False
    with_baseline: bool = False
    also: tuple[str, ...] = ()


def paper_rows(edition: Edition, liver_enzymes: Sequence[str]) -> tuple[TableRow, ...]:
    """Return the rows of the paper's Table 2.

    Pei et al., J Int Med Res 2020;48(4), doi 10.1177/0300060519892382. ``liver_enzymes`` are the
    analytes of the composite row; an enzyme left out of it still counts as toxicity.
    """
    enzymes = _term_names(edition, liver_enzymes, "high")
    all_enzymes = _term_names(edition, LIVER_ENZYMES, "high")
    others = tuple(term for term in all_enzymes if term not in enzymes)
    return (
        TableRow("Nausea", ("Nausea",), clinical=True),
        TableRow("Liver pain", ("Hepatic pain",), clinical=True),
        TableRow("Fatigue", ("Fatigue",), clinical=True),
        TableRow("Leukopenia", _term_names(edition, ["WBC"], "low")),
        TableRow("Thrombocytopenia", _term_names(edition, ["platelets"], "low")),
        TableRow("Bilirubin", _term_names(edition, ["bilirubin"], "high"), with_baseline=True),
        TableRow("Liver enzymes", enzymes, with_baseline=True, also=others),
        TableRow("Albumin", _term_names(edition, ["albumin"], "low"), with_baseline=True),
    )


def collected_rows(
    rows: Sequence[TableRow], collected: Collection[str]
) -> tuple[tuple[TableRow, ...], tuple[str, ...]]:
    """Return the rows that data stand behind, and the labels of the clinical ones without.

    ``collected``: the clinical terms of which the study holds an event or that it declares. That no
    event is grade 0 holds only for these: nobody may have asked about the others.
    """
    kept, missing = [], []
    for row in rows:
        terms = tuple(term for term in row.terms if not row.clinical or term in collected)
        if terms:
            kept.append(replace(row, terms=terms))
        else:
            missing.append(row.label)
    return tuple(kept), tuple(missing)


def _term_names(edition: Edition, analytes: Sequence[str], direction: Direction) -> tuple[str, ...]:
    """Return the terms' names in the edition: low platelets are named differently in 6.0."""
    return tuple(
        term.name
        for analyte in analytes
        for term in edition.terms_of(analyte)
        if term.direction == direction
    )


def definition_text(
    edition: Edition, window: Window, rows: Sequence[TableRow], scope: Scope
) -> str:
    """Return the foot of a table: its edition, baseline, window, composites and what it counts."""
    length = f"{window.months} calendar months" if window.days is None else f"{window.days} days"
    until = f"radiotherapy {window.anchor} + {length}"
    spans = {
        "acute": f"after radiotherapy start and up to {until}, inclusive",
        "late": f"after {until}",
        "both": "after radiotherapy start (acute and late together)",
    }
    sentences = [
        f"Graded by {edition.label}{_interpretations(edition, rows)}.",
        "Baseline: per term, the last valid result on or before radiotherapy start.",
        f"Worst: the highest grade {spans[scope.phase]}, {_course(scope.course)} course, baseline"
        f" {'' if scope.include_baseline else 'not '}included; an undecided result counts for the"
        " grade that is certain, and so does one whose phase is unknown; what they may be beyond it"
        " is told as could be higher.",
        *(f"{row.label}: highest of {', '.join(row.terms)}." for row in rows if len(row.terms) > 1),
        *_relative_to_baseline(edition, rows),
        "Clinical terms without an event of the patient count as grade 0, if the study recorded or"
        " declared the term.",
        "Percentages are of all patients of the study who had"
        f" {'radiotherapy' if scope.course == 1 else 'this course'}; intervals are exact 95 %"
        " (Clopper and Pearson, Biometrika 1934;26:404).",
        "Superseded and withdrawn results never count.",
    ]
    if set(scope.attributions) != set(ATTRIBUTIONS):
        asked = " or ".join(scope.attributions)
        sentences.insert(
            3, f"Only grades of attribution {asked} are counted; laboratory grades are unknown."
        )
    if not scope.on_treatment:
        sentences.insert(3, "Only what was taken after the end of radiotherapy is counted.")
    return " ".join(sentences)


def _relative_to_baseline(edition: Edition, rows: Sequence[TableRow]) -> list[str]:
    """Return what is worse than an abnormal baseline, where the edition grades relative to it."""
    named = {term for row in rows for term in (*row.terms, *row.also)}
    if not any(term.has_baseline_condition for term in edition.terms if term.name in named):
        return []
    return [
        "Where a baseline is abnormal, this edition grades by multiples of it: grade 1 or more,"
        " with a value beyond the baseline's, is worse than the baseline."
    ]


def _interpretations(edition: Edition, rows: Sequence[TableRow]) -> str:
    """Return the choices for the interpretations that concern these rows or that a study chose."""
    terms = [term for row in rows for term in row.terms]
    choices = [
        f"{i.name} {edition.chosen.get(i.name, i.choices[0].name)}"
        for i in edition.interpretations
        if i.name in edition.chosen or i.concerns(terms)
    ]
    return f", read as: {', '.join(choices)}" if choices else ""


def _course(number: int) -> str:
    return "first" if number == 1 else f"number {number}"
