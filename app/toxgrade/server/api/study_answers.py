"""Studies as callers see them: the models of the answers, and the function that fills them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from toxgrade.cohort.described import answer, described
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import Window
from toxgrade.server.http.document import NEXT
from toxgrade.server.records.studies import RowChoice, Study


@answer
class WindowInMonths:
    """An acute window of so many months."""

    anchor: Literal["end", "start"] = described("The end of radiotherapy it begins with.", "end")
    months: int = described("Its length in calendar months.", 3)


@answer
class WindowInDays:
    """An acute window of so many days."""

    anchor: Literal["end", "start"] = described("The end of radiotherapy it begins with.", "end")
    days: int = described("Its length in days.", 90)


@answer
class RowAnswer:
    """A row of a study's own toxicity table: the highest grade of its terms."""

    label: str = described("The row's name in the table.", "Leukopenia")
    terms: Sequence[str] = described("Terms of the edition.", ["White blood cell decreased"])
    with_baseline: bool = described("A second row shows the baseline grades.", True)


@answer
class DictionaryAnswer:
    """A site's own names, each with ours."""

    analytes: Mapping[str, str] = described("Of tests, by name or code.", {"POTAS": "potassium"})
    units: Mapping[str, str] = described("Of units.", {"cells/cumm": "/mm3"})
    specimens: Mapping[str, str] = described("Of specimens.", {"SST": "serum"})


@answer
class StudyAnswer:
    """What a study has chosen."""

    study: str = described("The study's name.", "demo")
    synthetic: bool = described("Demonstration data, of no real patients.", True)
    edition: str = described("The edition of CTCAE by which it grades.", "4.03")
    window: WindowInMonths | WindowInDays = described("The acute window.")
    liver_enzymes: Sequence[str] = described(
        "Analytes of the table's row of liver enzymes.", ["ALT", "AST", "ALP", "GGT"]
    )
    rows: Sequence[RowAnswer] | None = described("Of the toxicity table; null: the paper's.")
    clinical_terms: Sequence[str] = described(
        "Terms that every patient was asked about: no event is grade 0.", ["Nausea"]
    )
    interpretations: Mapping[str, str] = described(
        "The choice by interpretation, where one was made.", {"hypokalemia": "grade-1"}
    )
    dictionary: DictionaryAnswer = described("The site's own names.")
    implausible: Implausible = described(
        "Whether numbers outside the plausible band are left ungraded, or flagged.", "refuse"
    )


@answer
class StudyPage:
    """A page of studies."""

    studies: Sequence[StudyAnswer] = described("By name.")
    next: str | None = described(NEXT, None)


@answer
class Pseudonym:
    """A patient of a study."""

    patient: str = described("The study's pseudonym.", "P01")


@answer
class PseudonymPage:
    """A page of a study's patients."""

    patients: Sequence[Pseudonym] = described("By pseudonym.")
    next: str | None = described(NEXT, None)


def study_answer(study: Study) -> StudyAnswer:
    """Return a study as it is answered."""
    rules, rows = study.rules, study.rows
    return StudyAnswer(
        study=study.name,
        synthetic=study.synthetic,
        edition=rules.edition,
        window=_window(rules.window),
        liver_enzymes=study.liver_enzymes,
        rows=None if rows is None else [_row(row) for row in rows],
        clinical_terms=study.clinical_terms,
        interpretations=dict(rules.interpretations),
        dictionary=DictionaryAnswer(**rules.dictionary.document()),
        implausible=rules.implausible,
    )


def _row(row: RowChoice) -> RowAnswer:
    return RowAnswer(row.label, row.terms, row.with_baseline)


def _window(window: Window) -> WindowInMonths | WindowInDays:
    if window.days is not None:
        return WindowInDays(window.anchor, window.days)
    assert window.months is not None, "a window is so many months or so many days"
    return WindowInMonths(window.anchor, window.months)
