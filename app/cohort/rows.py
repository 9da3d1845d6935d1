"""The rows of a toxicity table: which CTCAE terms stand behind each label."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.criteria.model import Edition
from app.records.studies import LIVER_ENZYMES


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
    enzymes = _risen(edition, liver_enzymes)
    others = tuple(term for term in _risen(edition, LIVER_ENZYMES) if term not in enzymes)
    return (
        TableRow("Nausea", ("Nausea",), clinical=True),
        TableRow("Liver pain", ("Hepatic pain",), clinical=True),
        TableRow("Fatigue", ("Fatigue",), clinical=True),
        TableRow("Leukopenia", ("White blood cell decreased",)),
        TableRow("Thrombocytopenia", ("Platelet count decreased",)),
        TableRow("Bilirubin", ("Blood bilirubin increased",), with_baseline=True),
        TableRow("Liver enzymes", enzymes, with_baseline=True, also=others),
        TableRow("Albumin", ("Hypoalbuminemia",), with_baseline=True),
    )


def _risen(edition: Edition, analytes: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        term.name
        for analyte in analytes
        for term in edition.terms_of(analyte)
        if term.direction == "high"
    )
