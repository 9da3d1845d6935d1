"""The column grader of many patients: the steps of ``grading/patient.py`` for millions of rows.

An export is read twice, in pieces. The first pass parses every text and collects candidates for
baselines; the second grades every row, in order, against the chosen ones. Rows whose numbers do not
fit 64-bit integers, or lie within the same millionth as a limit, go to the plain grader, so every
row gets exactly the plain grader's grade.
"""

from collections.abc import Callable, Iterable

import polars as pl

from toxgrade.grading.columns.against_baseline import Comparison, Piece
from toxgrade.grading.columns.courses import PatientCourses
from toxgrade.grading.columns.grader import Cases, CaseTests, Read
from toxgrade.grading.columns.impossible_dates import (
    after_death,
    far_from_treatment,
    flag_unlikely,
)
from toxgrade.grading.columns.interning import CachedParser
from toxgrade.grading.columns.normalize import is_declared
from toxgrade.grading.columns.output import FOR_COUNTING, refuse, to_output
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.columns.patient_baselines import Baselines
from toxgrade.grading.columns.study_ranges import RANGE, StudyRanges
from toxgrade.grading.columns.verdicts import GRADED
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.phase import Window
from toxgrade.grading.study_ranges import NO_RANGES, RangeTable

_GRADED_COLUMNS = ["term", "compares", *GRADED, "flags"]
_BASELINE_COLUMNS = [
    "term", "at_least", "at_most", "valid", "refused", "value", "comparator", "high",
    "unit_key", "above_uln", "below_lln", "above_uln_silent", "below_lln_silent", "one_by_one",
    "compares",
]  # fmt: skip
"""The columns that are looked up per test, of graded rows and of candidates; more take time."""


def grade_rows(
    rows: pl.DataFrame,
    grader: TermGrader,
    window: Window,
    courses: pl.DataFrame | None = None,
    ranges: RangeTable = NO_RANGES,
) -> pl.DataFrame:
    """Grade every row of ``rows`` for every term of its analyte, all at once.

    ``rows`` has ``COLUMNS`` and, for ``ranges``, may have ``lab``. ``courses`` are those of
    ``PatientCourses``; without them ``rows`` has ``rt_start``, ``rt_end`` (Date) and may have
    ``rt_start_time`` (Time) and ``died`` (Date); null: unknown. They are the same on all rows of a
    patient. A row without a patient is not graded, nor is one dated after the death.

    Returns the columns of ``ColumnGrader.grade`` except ``FOR_COUNTING``, and ``course``.
    """
    if courses is None:
        known = ("rt_start", "rt_end", "rt_start_time", "died")
        days = [name for name in known if name in rows.columns]
        courses = rows.select("patient", *days).drop_nulls("patient").unique("patient")
    columns = ColumnGrader(grader, window, courses, ranges)
    read = columns.read(rows, columns.number(rows["patient"]), 0)
    columns.settle(lambda: [(read, rows)])
    graded = columns.grade(read, rows, 0)
    return graded.drop(FOR_COUNTING).with_columns(graded["course"])


class ColumnGrader:
    """The grader of an export in pieces: all go through ``read``, then all through ``grade``.

    ``courses``: those of ``PatientCourses``. A patient who is not in it has no dates. ``ranges``:
    those of the study, for rows without one.
    """

    def __init__(
        self,
        grader: TermGrader,
        window: Window,
        courses: pl.DataFrame,
        ranges: RangeTable = NO_RANGES,
    ) -> None:
        self._grader, self._ranges = grader, StudyRanges(ranges, grader.names)
        self._cases, self._dates = Cases(grader, self._ranges), CachedParser(read_dates)
        compares = [term.uses_baseline for term in grader.edition.terms]
        self._baselines = Baselines(compares, self._cases.units, grader.names, self._ranges)
        self._comparison = Comparison(grader, self._cases, self._baselines, self._ranges)
        self._courses = PatientCourses(window, courses)
        self.number, self.learn = self._courses.number, self._courses.learn

    @property
    def names(self) -> pl.Series:
        """Return the patients of whom a row was read or a course is known, each once."""
        return self._courses.names

    @property
    def patients(self) -> pl.DataFrame:
        """Return the patients read so far by number, as ``PatientCourses.patients``."""
        return self._courses.patients

    def read(self, rows: pl.DataFrame, who: pl.Series, first: int) -> Read:
        """Parse a piece and collect its candidates for baselines.

        ``rows`` has ``COLUMNS``; ``who`` are the numbers of its patients; ``first`` is the number
        of its first row in the export.
        """
        dates, days = self._dates.read(rows["collected"].fill_null(""))
        self._courses.meet()
        read = dates.select("first", "last", "unreadable_date")[days].with_columns(
            is_declared(rows), who=who
        )
        later = self._courses.later_that_day(read, dates["time"].gather(days))
        if later is not None:
            read = read.with_columns(later)
        if self._ranges:
            persons = self._courses.persons(who)
            lent = self._ranges.choose(rows, read.select("first", "last"), persons)
            read, rows = read.with_columns(lent), rows.with_columns(lent)
        numbers, cases = self._cases.number(rows, read["unreadable_date"])
        read = read.with_columns(case=numbers)
        places = (self._courses.may_be_early(read) | read["declared"]).arg_true()
        early = read[places].with_columns(dates["time"].gather(days[places]))
        if (late := after_death(rows[places], early, self._courses.died)) is not None:
            early, places = early.filter(~late), places.filter(~late)
        self._add_candidates(early, cases, rows, places, first)
        if cases is self._cases.kept:
            return Read(read, pl.DataFrame())
        return Read(read.with_columns(cases.spans["count"]), cases.tests)

    def _cases_of(self, read: Read) -> CaseTests:
        """Return the cases of a piece, by which its rows are numbered."""
        if "count" not in read.rows.columns:
            return self._cases.kept
        numbers = read.rows["case"].head(1).to_list() or [0]
        return CaseTests.by_count(read.rows["count"], read.tests, *numbers)

    def _add_candidates(
        self,
        early: pl.DataFrame,
        cases: CaseTests,
        rows: pl.DataFrame,
        places: pl.Series,
        first: int,
    ) -> None:
        """Add those that may be baselines; ``early`` are the parsed rows at ``places``."""
        numbers = places.cast(pl.Int64) + first
        placed = self._courses.place(early, numbers).with_columns(early["time"], early["case"])
        named, is_dated = early["who"].is_not_null(), early["first"] == early["last"]
        undated = named & ~is_dated.fill_null(False)
        may_be = named & (is_dated.fill_null(False) | placed["declared"])
        self._add(placed, cases, rows, places, may_be & placed["before_start"])
        for place, (course, start, at) in enumerate(self._courses.starts(early["who"])):
            not_started = undated & ~(early["first"] > start).fill_null(False)
            not_started &= start.is_not_null() | (place == 0)
            if not_started.any():
                of_course = placed.with_columns(course=course, untreated=start.is_null())
                concerned = of_course.filter(not_started)
                tests = cases.beside(concerned, ["term", "valid"])
                self._baselines.add_undated(tests)
            if place:  # A later course without a baseline of its own takes the last result before.
                after = (early["first"] == start) & (early["time"] > at)
                before = (early["last"] <= start).fill_null(False) & ~after.fill_null(False)
                of_course = placed.with_columns(course=course, declared=pl.lit(False))
                self._add(of_course, cases, rows, places, may_be & before, carried=True)

    def _add(
        self,
        placed: pl.DataFrame,
        cases: CaseTests,
        rows: pl.DataFrame,
        places: pl.Series,
        among: pl.Series,
        *,
        carried: bool = False,
    ) -> None:
        """Add those of ``placed`` that ``among`` marks as candidates of their courses."""
        if among.any():
            concerned = placed.filter(among)
            tests = cases.beside(concerned, _BASELINE_COLUMNS)
            self._baselines.add(tests, rows[places.filter(among)], carried=carried)

    def grade(self, read: Read, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Grade every row of a piece, numbered from ``first``, for every term of its analyte.

        ``read`` is what the method ``read`` returned for ``rows``.

        Returns one row per input row and term, in input order: ``row`` Int64 (its number), ``term``
        (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``flags``
        (joined by a space, Categorical), ``criterion`` (NCI's wording), ``phase``, ``on_treatment``
        Boolean, ``days_from_end`` Int32, ``baseline_grade`` Int8, ``worse_than_baseline`` Boolean.
        Other texts are of type Enum. Meanings and nulls are those of ``PatientGrade``. Then ``who``
        Int64 (the row in ``patients``, null: none), ``course`` Int8 (from 1; null: the patient has
        none), ``last`` Date (the last day that the result may be of; null also where that is
        unlikely, so that it says nothing of follow-up), ``unplaced`` (Enum of ``Unplaced``) and the
        Booleans of ``possible_columns``, for the first course.
        """
        compared = self._compared(read.rows, self._cases_of(read), rows, first)
        ambiguous, may_differ = self._baselines.chosen.doubts(compared)
        compared = compared.with_columns(is_ambiguous=ambiguous, may_differ=may_differ)
        courses = self._courses
        far = far_from_treatment(read.rows, courses.table, courses.most)
        if far is not None:
            compared = flag_unlikely(compared, far.gather(compared["at"]))
        compared = compared.rename({"course": "who", "of_patient": "course"})
        if courses.most > 1:
            compared = compared.with_columns(pl.col("who") // courses.most)
        output = to_output(compared, self._grader.edition.terms)
        if (late := after_death(rows, read.rows, courses.died)) is not None:
            output = refuse(output, late.gather(compared["at"]), Reason.AFTER_DEATH)
        if output["who"].null_count():
            output = refuse(output, output["who"].is_null(), Reason.MISSING_PATIENT)
        return output

    def settle(self, pieces: Callable[[], Iterable[tuple[Read, pl.DataFrame]]]) -> None:
        """Find out whether the choice among several results of a baseline's day matters.

        ``pieces`` gives what the method ``read`` returned for each piece, and its rows. It is asked
        only where later grades alone can tell; call this before ``grade``.
        """
        chosen = self._baselines.chosen
        patients = (chosen.undecided // self._courses.most).unique()
        for read, rows in pieces() if len(patients) else ():
            places = read.rows["who"].is_in(patients.implode()).arg_true()
            if len(places):
                cases = self._cases_of(read)
                compared = self._compared(read.rows[places], cases, rows[places], 0)
                chosen.add_ambiguous(compared.filter("ambiguous"))

    def _compared(
        self, read: pl.DataFrame, cases: CaseTests, rows: pl.DataFrame, first: int
    ) -> pl.DataFrame:
        """Return the tests of a piece, numbered from ``first``, compared with their baselines."""
        if RANGE in read.columns:
            rows = rows.with_columns(read[RANGE])
        numbers = pl.int_range(first, first + len(read), eager=True)
        placed = self._courses.place(read, numbers).drop("first", "declared")
        tests = cases.beside(placed.with_columns(read["case"]), _GRADED_COLUMNS)
        return self._comparison.compare(tests, Piece(rows, cases.tests))

    def other_baselines(self) -> pl.DataFrame:
        """Return rows of ``declared`` baselines and, where it differs, of the one ``by_date``."""
        return self._baselines.chosen.other_baselines
