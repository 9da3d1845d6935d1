"""The rows of a toxicity table: which CTCAE terms stand behind each label."""

from collections.abc import Sequence
from dataclasses import dataclass

from toxgrade.criteria.model import Direction, Edition

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
