"""The toxicity table as an answer: every number with its patients, and what it leaves out."""

from collections.abc import Sequence

from toxgrade.cohort.definition import ReportPhase
from toxgrade.cohort.described import StudyReport, answer, described
from toxgrade.cohort.intervals import percent, percent_interval
from toxgrade.cohort.left_out import LeftOut, Patients
from toxgrade.cohort.toxicity_table import (
    GRADES,
    Kind,
    PatientsWith,
    RowCount,
    ToxicityTable,
)
from toxgrade.grading.event import Attribution

Percent = int | float | None
_NO_DENOMINATOR = "to one decimal; null: of nobody"


@answer
class Meeting:
    """The patients who meet a definition, of all patients of the study."""

    n: int = described("Patients who certainly meet it.", 1)
    percent: Percent = described(f"n in percent of all patients, {_NO_DENOMINATOR}.", 25)
    unknown: list[str] = described("Patients of whom it cannot be said.", [])
    definition: str = described("The definition in words.", "grade 3 or more in any term")
    patients: list[str] = described("The patients who certainly meet it.", ["SYN-004"])


@answer
class AnyToxicity(Meeting):
    """The patients who became worse than their own baseline."""

    by_2_or_more: Patients = described("A certain grade 2 or more above that of the baseline.")


@answer
class Share(Meeting):
    """The patients who meet a definition, with exact 95 % limits (Clopper and Pearson)."""

    n_at_most: int = described("n and those of whom it is unknown.", 1)
    low: Percent = described(f"Lower limit in percent, {_NO_DENOMINATOR}.", 0.6)
    high: Percent = described(f"Upper limit in percent, {_NO_DENOMINATOR}.", 80.6)
    n_evaluable: int = described("The patients of whom it is known.", 4)
    percent_evaluable: Percent = described(f"n in percent of these, {_NO_DENOMINATOR}.", 25)
    low_evaluable: Percent = described(f"Its lower limit, {_NO_DENOMINATOR}.", 0.6)
    high_evaluable: Percent = described(f"Its upper limit, {_NO_DENOMINATOR}.", 80.6)


@answer
class RowPatients:
    """The patients behind the numbers of a row, by name."""

    by_grade: dict[str, list[str]] = described("By grade from 1 up.", {"1": [], "2": ["SYN-004"]})
    undecided: list[str] = described("Measured, but nothing decided, nothing certain above 0.", [])
    could_be_higher: list[str] = described("Counted, but a higher grade is possible.", [])
    partial: list[str] = described("Some but not all terms of the row have a grade.", [])
    member_worse: list[str] = described("A term rose above its baseline, the highest not.", [])


@answer
class CountedRow:
    """A row of the table: the patients by baseline grade or by worst grade."""

    label: str = described("The row's name.", "Bilirubin")
    kind: Kind = described("Which grade is counted.", "worst")
    terms: list[str] = described(
        "The CTCAE terms; the highest counts.", ["Blood bilirubin increased"]
    )
    counts: dict[str, int] = described("Patients by grade.", {"0": 3, "1": 0, "2": 1})
    percent: dict[str, Percent] = described(
        f"The same in percent of all patients, {_NO_DENOMINATOR}.", {"0": 75, "1": 0, "2": 25}
    )
    n_evaluable: int = described("Patients with a grade in the row.", 4)
    undecided: int = described("Patients measured, but without a certain grade.", 0)
    not_measured: int = described("Patients without any result.", 0)
    could_be_higher: int = described("Evaluable patients who may have had a higher grade.", 0)
    patients: RowPatients = described("Who they are.")


@answer
class OtherTerm:
    """A severe grade of a term that no row names."""

    term: str = described("The CTCAE term.", "Lymphocyte count decreased")
    grade: int = described("3 to 5.", 3)
    n: int = described("Patients with this certain worst grade.", 1)
    patients: list[str] = described("The patients' names.", ["SYN-004"])


@answer
class UndecidedOther:
    """A term that no row names, and patients who may have reached grade 3."""

    term: str = described("The CTCAE term.", "Hypokalemia")
    n: int = described("How many patients.", 1)
    patients: list[str] = described("The patients' names.", ["SYN-002"])


@answer
class Counts:
    """The counts of a toxicity table."""

    phase: ReportPhase = described("The window of the worst grade.", "acute")
    course: int = described("The course of radiotherapy, 1 is the first.", 1)
    on_treatment: bool = described("Grades before the end of radiotherapy count.", True)
    include_baseline: bool = described("The baseline counts towards the worst grade.", False)
    attribution: list[Attribution] = described("Those that count.", ["related"])
    n_patients: int = described("All patients who had the course: the denominator.", 4)
    definition: str = described("What is counted, in words.", "Graded by CTCAE 4.03 …")
    rows: list[CountedRow] = described("The rows in order; one with a baseline has two entries.")
    not_collected: list[str] = described("Rows of clinicians without any event.", ["Nausea"])
    other: list[OtherTerm] = described("Severe grades of terms that no row names.")
    other_undecided: list[UndecidedOther] = described("Terms that may have reached grade 3.")
    any_toxicity: AnyToxicity = described("Worse than the own baseline in any row.")
    any_toxicity_alternative: Meeting = described("The former name of the next.")
    clinical_or_haematological: Meeting = described("Any grade in rows without a baseline.")
    any_grade: Share = described("Grade 1 or more in any row, or a severe one in any term.")
    grade_3_or_more: Share = described("Grade 3 or more in any term.")
    window_complete: int = described("Patients followed to the end of the acute window.", 4)
    window_incomplete: list[str] = described("The others.", [])


@answer
class TableReport(LeftOut, Counts):
    """A toxicity table: how many patients had which worst grade, with every definition."""


@answer
class Effect:
    """A worst grade that another choice for an interpretation of CTCAE's text would change."""

    interpretation: str = described("The interpretation's name.", "within-reference-range")
    chosen: str = described("The study's choice.", "grade")
    other: str = described("The other choice.", "zero")
    term: str = described("The CTCAE term.", "Platelet count decreased")
    grade: int | None = described("The certain worst grade, 1 to 5.", 1)
    other_grade: int | None = described("By the other choice; null: nothing is certain.", 0)
    n: int = described("How many patients.", 1)
    patients: list[str] = described("The patients' names.", ["SYN-003"])


@answer
class StudyTableReport(TableReport, StudyReport):
    """A study's toxicity table: how many patients had which worst grade, with every definition."""

    depends_on_interpretation: list[Effect] = described("Grades that another choice changes.")


def table_report(
    table: ToxicityTable, definition: str, not_collected: Sequence[str], left_out: LeftOut
) -> TableReport:
    """Return a counted table without the study's name: exports have no study.

    ``not_collected``: the labels of clinical rows that no event stands behind.
    """
    n, scope = table.n_patients, table.scope
    alternative = _meeting(table.clinical_or_haematological, n)
    return TableReport(
        phase=scope.phase,
        course=scope.course,
        on_treatment=scope.on_treatment,
        include_baseline=scope.include_baseline,
        attribution=list(scope.attributions),
        n_patients=n,
        definition=definition,
        rows=[_row(row, n) for row in table.rows],
        not_collected=list(not_collected),
        other=[
            OtherTerm(term, grade, len(patients), patients)
            for (term, grade), patients in sorted(table.other.items())
        ],
        other_undecided=[
            UndecidedOther(term, len(patients), patients)
            for term, patients in sorted(table.other_undecided.items())
        ],
        any_toxicity=AnyToxicity(
            **vars(_meeting(table.worse_than_baseline, n)),
            by_2_or_more=Patients(len(table.by_two), table.by_two),
        ),
        any_toxicity_alternative=alternative,
        clinical_or_haematological=alternative,
        any_grade=_share(table.any_grade, n),
        grade_3_or_more=_share(table.grade_3_or_more, n),
        window_complete=n - len(table.window_incomplete),
        window_incomplete=table.window_incomplete,
        **vars(left_out),
    )


def _row(count: RowCount, n: int) -> CountedRow:
    return CountedRow(
        label=count.row.label,
        kind=count.kind,
        terms=list(count.row.terms),
        counts={str(grade): len(count.by_grade[grade]) for grade in GRADES},
        percent={str(grade): percent(len(count.by_grade[grade]), n) for grade in GRADES},
        n_evaluable=count.n_evaluable,
        undecided=len(count.undecided),
        not_measured=count.not_measured,
        could_be_higher=len(count.could_be_higher),
        patients=RowPatients(
            by_grade={str(grade): count.by_grade[grade] for grade in GRADES if grade},
            undecided=count.undecided,
            could_be_higher=count.could_be_higher,
            partial=count.partial,
            member_worse=count.member_worse,
        ),
    )


def _meeting(found: PatientsWith, n: int) -> Meeting:
    return Meeting(
        n=len(found.patients),
        percent=percent(len(found.patients), n),
        unknown=found.unknown,
        definition=found.definition,
        patients=found.patients,
    )


def _share(found: PatientsWith, n: int) -> Share:
    """Return n with its exact 95 % interval, of all patients and of those who are decided."""
    own = len(found.patients)
    evaluable = n - len(found.unknown)
    low, high = percent_interval(own, n)
    low_evaluable, high_evaluable = percent_interval(own, evaluable)
    return Share(
        **vars(_meeting(found, n)),
        n_at_most=own + len(found.unknown),
        low=low,
        high=high,
        n_evaluable=evaluable,
        percent_evaluable=percent(own, evaluable),
        low_evaluable=low_evaluable,
        high_evaluable=high_evaluable,
    )
