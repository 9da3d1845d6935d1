"""Many patients' results at once: the steps of ``patient.py`` on columns, for millions of rows.

An export is gone through twice, in pieces: first every text is read and the results that may be
baselines are kept, then every row is graded, in order, against the chosen ones. Rows whose numbers
do not fit 64-bit millionths go through the plain grader: every row gets exactly the plain answer.
"""

import polars as pl

from toxgrade.grading.columns.baselines import Baselines
from toxgrade.grading.columns.cases import Cases, by_groups, by_plain_grader, put
from toxgrade.grading.columns.kernel import GRADED
from toxgrade.grading.columns.normalize import is_declared
from toxgrade.grading.columns.output import flags_of_grade, to_output
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.columns.phase import last_acute_days, place_columns
from toxgrade.grading.columns.spellings import CachedParser, text_index
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.phase import OLD_BASELINE, Window

_OF_ROWS = ["term", "compares", *GRADED, "flags"]
_OF_BASELINES = [
    "term", "at_least", "at_most", "valid", "refused", "value", "comparator", "high",
    "unit_key", "above_uln", "below_lln", "one_by_one", "compares",
]  # fmt: skip
"""What is looked up of each test, to be graded or to be a baseline: all else costs time."""


def grade_rows(rows: pl.DataFrame, grader: TermGrader, window: Window) -> pl.DataFrame:
    """Grade every row of ``rows`` for every term of its analyte, all at once.

    ``rows``: the columns of ``COLUMNS`` and ``rt_start``, ``rt_end`` (null: unknown), which are the
    same on all rows of a patient. A row without a patient has no baseline.

    Returns what ``ColumnGrader.grade`` does, but for its last two columns.
    """
    courses = rows.select("patient", "rt_start", "rt_end").drop_nulls("patient")
    columns = ColumnGrader(grader, window, courses.unique("patient"))
    read = columns.read(rows, columns.number(rows["patient"]), 0)
    return columns.grade(read, rows, 0).drop("who", "last")


class ColumnGrader:
    """Grades an export in pieces: all go through ``read``, then through ``grade``.

    ``courses``: ``patient`` String, ``rt_start`` and ``rt_end`` Date (null: unknown), one row per
    patient; a patient who is not among them has no dates.
    """

    def __init__(self, grader: TermGrader, window: Window, courses: pl.DataFrame) -> None:
        self._grader, self._window = grader, window
        self._cases, self._dates = Cases(grader), CachedParser(read_dates)
        self._baselines = Baselines(len(grader.edition.terms), self._cases.units)
        self._names = text_index()
        self._courses = courses
        self._treated = self._with_courses(self._names.known)  # by the patient's number

    def _with_courses(self, names: pl.DataFrame) -> pl.DataFrame:
        until = last_acute_days(self._window).alias("until")
        courses = self._courses.with_columns(until)
        patients = names.rename({"text": "patient"})
        return patients.join(courses, on="patient", how="left", maintain_order="left")

    @property
    def patients(self) -> pl.DataFrame:
        """The patients read so far, by their number: ``patient`` String, ``rt_start`` and
        ``rt_end`` Date.
        """
        return self._treated.drop("until")

    def number(self, patients: pl.Series) -> pl.Series:
        """The number of each patient (UInt32; null: none), which stays theirs."""
        return self._names.numbers(patients)

    def learn(self, courses: pl.DataFrame) -> None:
        """Take in the courses of patients none of whose rows has been read yet."""
        if len(courses):
            self._courses = pl.concat([self._courses, courses])

    def read(self, rows: pl.DataFrame, who: pl.Series, first: int) -> pl.DataFrame:
        """Read a piece whose first row is number ``first`` of them all, and keep what may be a
        baseline.

        ``rows``: the columns of ``COLUMNS``; ``who``: the numbers of its patients. Returns each row
        as ``grade`` takes it: ``who`` UInt32, ``first`` and ``last`` Date, ``unreadable_date`` and
        ``declared`` Boolean, and ``case`` UInt32 (null: to be numbered again).
        """
        days = self._dates.numbers(rows["collected"].fill_null(""))
        if len(self._names.known) > len(self._treated):
            new = self._with_courses(self._names.known[len(self._treated) :])
            self._treated = pl.concat([self._treated, new], rechunk=True)
        dates = self._dates.known
        read = dates.select("first", "last", "unreadable_date")[days].with_columns(
            is_declared(rows), who=who
        )
        # Most rows are told to be from after the start by these two days alone.
        early = (read["first"] <= self._treated["rt_start"].gather(who)).fill_null(False)
        places = (early | read["declared"]).arg_true()
        if self._cases.let_go:  # too many: a number would not hold until the row is graded
            cases = self._cases.number(rows[places], read["unreadable_date"][places])
            read = read.with_columns(case=pl.lit(None, dtype=cases.dtype))
        else:
            read = read.with_columns(case=self._cases.number(rows, read["unreadable_date"]))
            cases = read["case"][places]
        placed = self._placed(read[places], places.cast(pl.Int64) + first)
        placed = placed.with_columns(dates["time"].gather(days[places]))
        mine = placed["before_start"] & placed["who"].is_not_null()
        if mine.any():
            tests = self._tests(cases.filter(mine), placed.filter(mine), _OF_BASELINES)
            self._baselines.add(tests, rows[places.filter(mine)])
        return read

    def grade(self, read: pl.DataFrame, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Grade every row of a piece, numbered from ``first``, for every term of its analyte.

        ``read``: what ``read`` gave of ``rows``.

        Returns one row per input row and term, in input order: ``row`` Int64 (its number), ``term``
        (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``flags``
        (joined by a space, Categorical), ``criterion`` (NCI's wording), ``phase``, ``on_treatment``
        Boolean, ``days_from_end`` Int32, ``baseline_grade`` Int8, ``worse_than_baseline`` Boolean.
        Other texts are of type Enum. Meanings and nulls are those of ``PatientGrade``. Then ``who``
        Int64 (the place in ``patients``, null: none) and ``last`` Date (the last day the result may
        be of).
        """
        numbers = pl.int_range(first, first + len(read), eager=True)
        placed = self._placed(read, numbers).drop("first", "declared")
        cases = self._cases.still(read["case"], rows, read["unreadable_date"])
        tests = self._baselines.beside(self._tests(cases, placed, _OF_ROWS))
        graded = self._against_baselines(tests, rows)
        return to_output(graded, self._grader.edition.terms)

    def other_baselines(self) -> pl.DataFrame:
        """``declared``, ``by_date`` (Int64): rows where the sender declared another baseline than
        the date rule would choose.
        """
        return self._baselines.otherwise_by_date()

    def _placed(self, read: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """Each row with its number, its patient, and where it lies in time."""
        courses = self._treated.select("rt_start", "rt_end", "until")[read["who"]]
        partial = bool((read["first"] != read["last"]).any())
        frame = read.hstack(courses).with_columns(row=numbers, ongoing=pl.lit(False))
        placed = frame.with_columns(place_columns(self._window, pl.col("until"), partial=partial))
        started = (pl.col("first") > pl.col("rt_start")).fill_null(False)
        return placed.select(
            "row", "first", "last", "declared", "phase", "on_treatment", "days_from_end",
            "no_radiotherapy_end",
            who=pl.col("who").cast(pl.Int64),
            before_start=(pl.col("phase") == "pre_treatment") | (pl.col("declared") & ~started),
            old=(pl.col("rt_start") - pl.col("last")) > OLD_BASELINE,
        )  # fmt: skip

    def _tests(self, cases: pl.Series, placed: pl.DataFrame, wanted: list[str]) -> pl.DataFrame:
        """One row per result and term: ``placed``, ``at`` (the result's place among them), ``test``
        (its place in ``Cases.tests``), and those of its columns that are wanted.
        """
        places = self._cases.tests_of(cases)
        if len(places) != len(placed):
            placed = placed[places["at"]]
        return placed.hstack(self._cases.tests.select(wanted)[places["test"]]).hstack(places)

    def _against_baselines(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Grade by the baseline's limits too what is from after the start, where its term does."""
        concerned = (tests["compares"] & ~tests["before_start"]).arg_true()
        if not len(concerned):
            return tests
        part = tests.select("at", "test", "who")[concerned]
        part = part.hstack(self._cases.tests.drop("compares")[part["test"]])
        graded = self._baselines.numbers(part.hstack(self._baselines.place_of(part)))
        by_hand = graded["one_by_one"] | (graded["b_by_hand"] & graded["refused"].is_null())
        among = graded["refused"].is_null() & ~by_hand
        graded = by_groups(graded, "full", among, self._cases.groups)
        graded = graded.with_columns(flags=flags_of_grade())
        asked = graded.select("at", "term", "b")[by_hand.arg_true()].iter_rows()
        texts = rows.select(COLUMNS)
        to_plain_text = by_plain_grader(
            self._grader,
            (
                (lab_result(texts.row(at, named=True)), term, self._baselines.as_written(b))
                for at, term, b in asked
            ),
        )
        graded = put(graded, by_hand.arg_true(), to_plain_text)
        return put(tests, concerned, graded.select(*GRADED, "flags"))
