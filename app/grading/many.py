"""Many patients' results at once: the steps of ``patient.py`` on columns, for millions of rows.

An export is read twice, in pieces: first for the results that may be baselines, then to grade every
row, in order, against the chosen ones. Rows whose numbers do not fit 64-bit millionths go through
the plain grader: every row gets exactly the plain answer.
"""

import polars as pl

from app.grading.answer import answer
from app.grading.baselines import Baselines
from app.grading.column import GRADED, by_thresholds, decide
from app.grading.one import OWN_LIMITS, Baseline, Grader
from app.grading.phase import Window, last_acute_days, place_columns
from app.grading.reading import is_declared, read_dates, read_rows, read_values
from app.grading.rows import lab_result
from app.grading.spellings import FLAG_BITS, Spellings
from app.grading.tables import REASON_CODES
from app.grading.texts import ReadOnce

COLUMNS = (
    *("patient", "collected", "analyte", "value", "unit", "lln", "uln"),
    *("limit_unit", "baseline", "status"),
)
"""What a frame of rows holds, String, null where absent."""


_OF_BASELINES = ("first", "time", "declared", "ongoing")
"""What of a row's date only the choice of baselines asks: to carry it on costs a row 14 bytes."""


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
        self._spellings = Spellings(grader)
        self._baselines = Baselines(len(grader.edition.terms))
        self._dates, self._values = ReadOnce(read_dates), ReadOnce(read_values)
        courses = courses.with_columns(last_acute_days(window).alias("until"))
        self._patients = ReadOnce(
            lambda names: pl.DataFrame({"patient": names}).join(
                courses, on="patient", how="left", maintain_order="left"
            ),
            most=None,
        )

    @property
    def patients(self) -> pl.DataFrame:
        """The patients met so far, by their number: ``patient`` String, ``rt_start`` and ``rt_end``
        Date.
        """
        return self._patients.known.drop("until")

    def look_for_baselines(self, rows: pl.DataFrame, first: int) -> None:
        """Keep what may be a baseline of a piece whose first row is number ``first`` of them all.

        ``rows``: the columns of ``COLUMNS``.
        """
        dated = self._dated(rows, first)
        mine = dated["before_start"] & dated["who"].is_not_null()
        rows, dated = rows.filter(mine), dated.filter(mine)
        if len(rows):
            tests = self._tests(rows, dated)
            self._baselines.add(self._by_own_limits(tests, rows), rows)

    def grade(self, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Grade every row of a piece, numbered from ``first``, for every term of its analyte.

        Returns one row per input row and term, in input order: ``row`` Int64 (its number), ``term``
        (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``flags`` (joined
        by a space), ``criterion`` (NCI's wording), ``phase``, ``on_treatment`` Boolean,
        ``days_from_end`` Int32, ``baseline_grade`` Int8, ``worse_than_baseline`` Boolean. Texts are
        of type Enum. Meanings and nulls are those of ``PatientGrade``. Then ``who`` Int64 (the
        place in ``patients``, null: none) and ``last`` Date (the last day the result may be of).
        """
        dated = self._dated(rows, first).drop(_OF_BASELINES)
        tests = self._baselines.beside(self._tests(rows, dated))
        graded = self._against_baselines(tests, rows)
        return answer(graded, self._grader.edition.terms)

    def other_baselines(self) -> pl.DataFrame:
        """``declared``, ``by_date`` (Int64): rows where the sender declared another baseline than
        the date rule would choose.
        """
        return self._baselines.otherwise_by_date()

    def _dated(self, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Each row's number and patient, and where it lies in time."""
        who = self._patients.numbers(rows["patient"])
        numbers = pl.int_range(first, first + len(rows), eager=True).alias("row")
        frame = (
            self._patients.known.drop("patient")[who]
            .hstack(self._dates.look_up(rows["collected"].fill_null("")))
            .with_columns(numbers, is_declared(rows), who=who.cast(pl.Int64), ongoing=pl.lit(False))
        )
        partial = bool((frame["first"] != frame["last"]).any())
        placed = frame.with_columns(place_columns(self._window, pl.col("until"), partial=partial))
        started = (pl.col("first") > pl.col("rt_start")).fill_null(False)
        return placed.with_columns(
            before_start=(pl.col("phase") == "pre_treatment") | (pl.col("declared") & ~started)
        )

    def _tests(self, rows: pl.DataFrame, dated: pl.DataFrame) -> pl.DataFrame:
        """One row per result and term; ``at`` is the result's place in ``rows``."""
        implausible = self._grader.implausible
        values = self._values.look_up(rows["value"].fill_null(""))
        read = read_rows(rows, values, dated["unreadable_date"], self._spellings, implausible)
        places = read.select(
            at=pl.int_range(pl.len(), dtype=pl.UInt32),
            test=pl.int_ranges("begin", pl.col("begin") + pl.col("tests")),
        ).explode("test")
        of_row = dated.drop("until", "unreadable_date").hstack(read.drop("begin", "tests"))
        if len(places) != len(rows):
            of_row = of_row[places["at"]]
        return of_row.hstack(self._spellings.tests[places["test"]]).hstack(places.select("at"))

    def _by_own_limits(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Grade every test by the limits of normal alone."""
        nothing = pl.lit(None, dtype=pl.UInt32)
        return self._graded(
            tests.with_columns(concerned=pl.lit(False), by_hand="one_by_one", b=nothing), rows
        )

    def _against_baselines(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Grade every test: by the limits of normal, and after the start by the baseline's too."""
        concerned = pl.col("full_group").is_not_null() & ~pl.col("before_start")
        tests = tests.with_columns(concerned=concerned).with_columns(
            by_hand=pl.col("one_by_one")
            | (pl.col("concerned") & pl.col("b_by_hand") & pl.col("refused").is_null())
        )
        return self._graded(tests, rows)

    def _graded(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        tests = tests.with_columns(by_thresholds())
        open_ = tests["refused"].is_null() & ~tests["by_hand"]
        group = tests.select(pl.when("concerned").then("full_group").otherwise("own_group"))
        group_row = tests.select(pl.when("concerned").then("full_row").otherwise("own_row"))
        which, test_row = group.to_series(), group_row.to_series().alias("test_row")
        others = open_ & (tests["concerned"] | (which != 0) | (tests["comparator"] != 0))
        for index in which.filter(others).unique(maintain_order=True):
            places = (others & (which == index)).arg_true()
            part = self._baselines.numbers(tests[places], self._spellings.tables)
            graded = decide(
                part.with_columns(test_row.gather(places)), self._spellings.tables.groups[index]
            )
            tests = _put(tests, places, graded)
        return self._by_hand(tests, rows)

    def _by_hand(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Grade by the plain grader what the columns cannot hold."""
        tests = tests.with_columns(plain_flags=pl.lit(None, dtype=pl.Int16))
        places = tests["by_hand"].arg_true()
        if not len(places):
            return tests
        graded = []
        for test in tests[places].iter_rows(named=True):
            result = lab_result(rows.select(COLUMNS).row(test["at"], named=True))
            term = None if test["term"] is None else self._grader.edition.terms[test["term"]]
            baseline: Baseline = OWN_LIMITS
            if test["concerned"]:
                before = self._baselines.texts(test["b"])
                baseline = None if before is None else lab_result(before)
            grade = self._grader.grade(result, term, baseline)
            reason = None if grade.reason is None else REASON_CODES[grade.reason]
            flags = sum(FLAG_BITS[flag] for flag in grade.flags)
            graded.append((grade.at_least, grade.at_most, reason, flags))
        schema = {**GRADED, "plain_flags": pl.Int16}
        return _put(tests, places, pl.DataFrame(graded, schema=schema, orient="row"))


def _put(frame: pl.DataFrame, places: pl.Series, graded: pl.DataFrame) -> pl.DataFrame:
    """Write the graded rows back to their places."""
    return frame.with_columns(
        frame[name].clone().scatter(places, graded[name]) for name in graded.columns
    )
