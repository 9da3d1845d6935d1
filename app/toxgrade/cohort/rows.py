"""The rows of a toxicity table: which CTCAE terms stand behind each label."""

from collections.abc import Sequence
from dataclasses import dataclass

from toxgrade.criteria.model import Direction, Edition
from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.records.studies import LIVER_ENZYMES, Study


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


def study_rows(study: Study, edition: Edition) -> tuple[TableRow, ...]:
    """The rows that the study has chosen, or those of the paper."""
    if study.rows is None:
        return paper_rows(edition, study.liver_enzymes)
    graded = {term.name for term in edition.terms}
    return tuple(
        TableRow(row.label, row.terms, graded.isdisjoint(row.terms), row.with_baseline)
        for row in study.rows
    )


def find_row(name: str, study: Study, edition: Edition, vocabulary: Vocabulary) -> TableRow:
    """The study's row of that label in any case, or a row of the one term.

    Raises:
        RequestError: it is neither; names the near terms and the labels.
    """
    rows = study_rows(study, edition)
    by_label = {row.label.casefold(): row for row in rows}
    if found := by_label.get(name.casefold()):
        return found
    try:
        term = vocabulary.term(name).name
    except CriteriaError as error:
        labels = ", ".join(row.label for row in rows)
        fault = FieldFault(("query", "term"), "unknown-term", f"{error}, or one of {labels}")
        raise RequestError("there is no such term or row", [fault]) from None
    return TableRow(term, (term,), clinical=term not in {t.name for t in edition.terms})


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
