"""Many patients' results at once: the steps of ``patient.py`` on columns, for millions of rows.

An export is read twice, in pieces: first for the results that may be baselines, then to grade every
row, in order, against the chosen ones. Rows whose numbers do not fit 64-bit millionths go through
the plain grader: every row gets exactly the plain answer.
"""

import polars as pl

from app.grading.answer import answer
from app.grading.baselines import Baselines
from app.grading.cases import Cases, each_test
from app.grading.column import GRADED
from app.grading.flags import flags_of_grade
from app.grading.one import Grader
from app.grading.parts import by_groups, by_plain_grader, put
from app.grading.patient import OLD_BASELINE
from app.grading.phase import Window, last_acute_days, place_columns
from app.grading.reading import is_declared, read_dates
from app.grading.rows import COLUMNS, lab_result
from app.grading.texts import ReadOnce

_OF_ROWS = ["term", "compares", *GRADED, "flags"]
_OF_BASELINES = [
    "term", "at_least", "at_most", "valid", "refused", "value", "comparator", "canonical", "high",
    "unit_key", "above_uln", "below_lln", "one_by_one", "compares",
]  # fmt: skip
"""What is looked up of each test, to be graded or to be a baseline: all else costs time."""


def grade_rows(rows: pl.DataFrame, grader: Grader, window: Window) -> pl.DataFrame:
    """Grade every row of ``rows`` for every term of its analyte, all at once.

    ``rows``: the columns of ``COLUMNS`` and ``rt_start``, ``rt_end`` (null: unknown), which are the
    same on all rows of a patient. A row without a patient has no baseline.

    Returns what ``ColumnGrader.grade`` does, but for its last two columns.
    """
    courses = rows.select("patient", "rt_start", "rt_end").drop_nulls("patient")
    columns = ColumnGrader(grader, window, courses.unique("patient"))
    columns.look_for_baselines(rows, 0)
    return columns.grade(rows, 0).drop("who", "last")


class ColumnGrader:
    """Grades an export in pieces: all go through ``look_for_baselines``, then through ``grade``.

    ``courses``: ``patient`` String, ``rt_start`` and ``rt_end`` Date (null: unknown), one row per
    patient; a patient who is not among them has no dates.
    """

    def __init__(self, grader: Grader, window: Window, courses: pl.DataFrame) -> None:
        self._grader, self._window = grader, window
        self._cases, self._dates = Cases(grader), ReadOnce(read_dates)
        self._baselines = Baselines(len(grader.edition.terms), self._cases.units)
        self._courses = courses
        self._patients = ReadOnce(self._treated, most=None)

    def _treated(self, names: pl.Series) -> pl.DataFrame:
        until = last_acute_days(self._window).alias("until")
        courses = self._courses.with_columns(until)
        patients = pl.DataFrame({"patient": names})
        return patients.join(courses, on="patient", how="left", maintain_order="left")

    @property
    def patients(self) -> pl.DataFrame:
        """The patients met so far, by their number: ``patient`` String, ``rt_start`` and ``rt_end``
        Date.
        """
        return self._patients.known.drop("until")

    def learn(self, courses: pl.DataFrame) -> None:
        """Take in the courses of patients none of whose rows has been here yet."""
        if len(courses):
            self._courses = pl.concat([self._courses, courses])

    def look_for_baselines(self, rows: pl.DataFrame, first: int) -> None:
        """Keep what may be a baseline of a piece whose first row is number ``first`` of them all.

        ``rows``: the columns of ``COLUMNS``.
        """
        # Most rows are told to be from after the start by these two days alone.
        start = self._patients.look_up(rows["patient"], "rt_start")["rt_start"]
        day = self._dates.look_up(rows["collected"].fill_null(""), "first")["first"]
        early = (day <= start).fill_null(False)
        places = (early | is_declared(rows)).arg_true()
        rows = rows.select(COLUMNS)[places]
        dated = self._dated(rows, places.cast(pl.Int64) + first)
        mine = dated["before_start"] & dated["who"].is_not_null()
        rows, dated = rows.filter(mine), dated.filter(mine)
        if len(rows):
            self._baselines.add(self._tests(rows, dated, _OF_BASELINES), rows)

    def grade(self, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Grade every row of a piece, numbered from ``first``, for every term of its analyte.

        Returns one row per input row and term, in input order: ``row`` Int64 (its number), ``term``
        (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``flags``
        (joined by a space, Categorical), ``criterion`` (NCI's wording), ``phase``, ``on_treatment``
        Boolean, ``days_from_end`` Int32, ``baseline_grade`` Int8, ``worse_than_baseline`` Boolean.
        Other texts are of type Enum. Meanings and nulls are those of ``PatientGrade``. Then ``who``
        Int64 (the place in ``patients``, null: none) and ``last`` Date (the last day the result may
        be of).
        """
        rows = rows.select(COLUMNS)
        numbers = pl.int_range(first, first + len(rows), eager=True)
        dated = self._dated(rows, numbers).drop("first", "time", "declared")
        tests = self._baselines.beside(self._tests(rows, dated, _OF_ROWS))
        graded = self._against_baselines(tests, rows)
        return answer(graded, self._grader.edition.terms)

    def other_baselines(self) -> pl.DataFrame:
        """``declared``, ``by_date`` (Int64): rows where the sender declared another baseline than
        the date rule would choose.
        """
        return self._baselines.otherwise_by_date()

    def _dated(self, rows: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """Each row with its number, its patient, and where it lies in time."""
        who = self._patients.numbers(rows["patient"])
        frame = (
            self._patients.known.drop("patient")[who]
            .hstack(self._dates.look_up(rows["collected"].fill_null("")))
            .with_columns(
                is_declared(rows),
                row=numbers,
                who=who.cast(pl.Int64),
                ongoing=pl.lit(False),
            )
        )
        partial = bool((frame["first"] != frame["last"]).any())
        placed = frame.with_columns(place_columns(self._window, pl.col("until"), partial=partial))
        started = (pl.col("first") > pl.col("rt_start")).fill_null(False)
        return placed.select(
            "row", "who", "first", "last", "time", "declared", "unreadable_date", "phase",
            "on_treatment", "days_from_end", "no_radiotherapy_end",
            before_start=(pl.col("phase") == "pre_treatment") | (pl.col("declared") & ~started),
            old=(pl.col("rt_start") - pl.col("last")) > OLD_BASELINE,
        )  # fmt: skip

    def _tests(self, rows: pl.DataFrame, dated: pl.DataFrame, wanted: list[str]) -> pl.DataFrame:
        """One row per result and term: ``dated``, ``at`` (the result's place in ``rows``), ``test``
        (its place in ``Cases.tests``), and those of its columns that are wanted.
        """
        cases = self._cases.look_up(rows, dated["unreadable_date"])
        places = each_test(self._cases.facts[cases])
        of_row = dated.drop("unreadable_date")
        if len(places) != len(rows):
            of_row = of_row[places["at"]]
        return of_row.hstack(self._cases.tests.select(wanted)[places["test"]]).hstack(places)

    def _against_baselines(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Grade by the baseline's limits too what is from after the start, where its term does."""
        concerned = (tests["compares"] & ~tests["before_start"]).arg_true()
        if not len(concerned):
            return tests
        part = tests.select("at", "test", "b", "b_by_hand")[concerned]
        part = part.hstack(self._cases.tests.drop("compares")[part["test"]])
        graded = self._baselines.numbers(part)
        by_hand = graded["one_by_one"] | (graded["b_by_hand"] & graded["refused"].is_null())
        among = graded["refused"].is_null() & ~by_hand
        graded = by_groups(graded, "full", among, self._cases.groups)
        graded = graded.with_columns(flags=flags_of_grade())
        asked = graded.select("at", "term", "b")[by_hand.arg_true()].iter_rows()
        plain = by_plain_grader(
            self._grader,
            (
                (lab_result(rows.row(at, named=True)), term, self._baselines.as_written(b))
                for at, term, b in asked
            ),
        )
        graded = put(graded, by_hand.arg_true(), plain)
        return put(tests, concerned, graded.select(*GRADED, "flags"))
