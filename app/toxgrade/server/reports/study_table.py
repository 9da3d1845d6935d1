"""The toxicity table of a stored study: its rows, and the table as callers get it."""

from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.definition import Scope, TableRow, paper_rows, rule
from toxgrade.cohort.table_document import counted_document
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.criteria.model import Edition
from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import cohort


def table_document(
    connection: Connection, study: Study, edition: Edition, scope: Scope
) -> dict[str, Any]:
    """The study's toxicity table with its rule, every number beside what it is a part of."""
    rows, window = study_rows(study, edition), study.rules.window
    table = toxicity_table(cohort(connection, study, scope), rows, scope, window)
    return {
        "study": study.name,
        "synthetic": study.synthetic,
    } | counted_document(table, rule(edition, window, rows, scope))


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
