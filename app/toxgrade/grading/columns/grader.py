"""The column grader of many patients: the steps of ``grading/patient.py`` for millions of rows.

An export is read twice, in pieces. The first pass parses every text and collects candidates for
baselines; the second grades every row, in order, against the chosen ones. Rows whose numbers do not
fit 64-bit millionths go to the plain grader, so every row gets exactly the plain grader's grade.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta

import polars as pl

from toxgrade.grading.columns.against_baseline import Comparison
from toxgrade.grading.columns.baselines import Baselines
from toxgrade.grading.columns.cases import Cases
from toxgrade.grading.columns.impossible_dates import (
    after_death,
    far_from_treatment,
    flag_unlikely,
    likely_days,
)
from toxgrade.grading.columns.kernel import GRADED
from toxgrade.grading.columns.normalize import is_declared
from toxgrade.grading.columns.output import FOR_COUNTING, refuse, to_output
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.columns.phase import (
    last_acute_days,
    place_columns,
    possible_columns,
    why_unplaced,
)
from toxgrade.grading.columns.spellings import CachedParser, text_index
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.phase import OLD_BASELINE, Window

_GRADED_COLUMNS = ["term", "compares", *GRADED, "flags"]
_BASELINE_COLUMNS = [
    "term", "at_least", "at_most", "valid", "refused", "value", "comparator", "high",
    "unit_key", "above_uln", "below_lln", "above_uln_silent", "below_lln_silent", "one_by_one",
    "compares",
]  # fmt: skip
"""The columns that are looked up per test, of graded rows and of candidates; more take time."""


def grade_rows(rows: pl.DataFrame, grader: TermGrader, window: Window) -> pl.DataFrame:
    """Grade every row of ``rows`` for every term of its analyte, all at once.

    ``rows`` has ``COLUMNS`` and ``rt_start``, ``rt_end`` (Date) and may have ``rt_start_time``
    (Time) and ``died`` (Date); null: unknown. They are the same on all rows of a patient. A row
    without a patient is not graded, nor is one dated after the death.

    Returns the columns of ``ColumnGrader.grade`` except ``FOR_COUNTING``.
    """
    days = [
        name for name in ("rt_start", "rt_end", "rt_start_time", "died") if name in rows.columns
    ]
    courses = rows.select("patient", *days).drop_nulls("patient")
    columns = ColumnGrader(grader, window, courses.unique("patient"))
    read = columns.read(rows, columns.number(rows["patient"]), 0)
    columns.settle(lambda: [(read, rows)])
    return columns.grade(read, rows, 0).drop(FOR_COUNTING)


class ColumnGrader:
    """The grader of an export in pieces: all go through ``read``, then all through ``grade``.

    ``courses`` has one row per patient: ``patient`` String, ``rt_start``, ``rt_end`` Date and, if
    there are any, ``died`` (the last possible day of death) Date and ``rt_start_time`` Time; null:
    unknown. A patient who is not in it has no dates.
    """

    def __init__(self, grader: TermGrader, window: Window, courses: pl.DataFrame) -> None:
        self._grader, self._window = grader, window
        self._cases, self._dates = Cases(grader), CachedParser(read_dates)
        compares = [term.uses_baseline for term in grader.edition.terms]
        self._baselines = Baselines(compares, self._cases.units, grader.names)
        self._comparison = Comparison(grader, self._cases, self._baselines)
        self._names = text_index()
        self._courses = courses
        self._treated = self._with_courses(self._names.known)  # Row n is that of patient n.

    def _with_courses(self, names: pl.DataFrame) -> pl.DataFrame:
        """Return patients in their order, with their course, its last acute day (``until``) and its
        ``likely_days``.
        """
        until = last_acute_days(self._window).alias("until")
        courses = self._courses.with_columns(until, *likely_days())
        patients = names.rename({"text": "patient"})
        return patients.join(courses, on="patient", how="left", maintain_order="left")

    @property
    def patients(self) -> pl.DataFrame:
        """Return the patients read so far by number, with the columns of ``courses``."""
        return self._treated.drop("until", "likely_from", "likely_until")

    def number(self, patients: pl.Series) -> pl.Series:
        """Return the number of each patient (UInt32; null: no patient), which never changes."""
        return self._names.numbers(patients)

    def learn(self, courses: pl.DataFrame) -> None:
        """Add the courses of patients of whom no row has been read yet."""
        if len(courses):
            self._courses = pl.concat([self._courses, courses])

    def read(self, rows: pl.DataFrame, who: pl.Series, first: int) -> pl.DataFrame:
        """Parse a piece and collect its candidates for baselines.

        ``rows`` has ``COLUMNS``; ``who`` are the numbers of its patients; ``first`` is the number
        of its first row in the export. Returns for each row what ``grade`` needs: ``who`` UInt32,
        ``first`` and ``last`` Date (the days it may be of), ``unreadable_date`` and ``declared``
        Boolean, ``later_that_day`` Boolean (only where starts have a time), and ``case`` UInt32
        (null: ``grade`` must look it up again).
        """
        days = self._dates.numbers(rows["collected"].fill_null(""))
        if len(self._names.known) > len(self._treated):
            new = self._with_courses(self._names.known[len(self._treated) :])
            self._treated = pl.concat([self._treated, new], rechunk=True)
        dates = self._dates.known
        read = dates.select("first", "last", "unreadable_date")[days].with_columns(
            is_declared(rows), who=who
        )
        if "rt_start_time" in self._treated and self._treated["rt_start_time"].count():
            read = read.with_columns(self._later_that_day(read, dates["time"].gather(days)))
        # The start alone shows that most rows are from after it.
        start = self._treated["rt_start"].gather(who)
        early = (read["first"] <= start).fill_null(False)
        undated = read["first"].is_null() & start.is_not_null()
        places = (early | undated | read["declared"]).arg_true()
        if self._cases.restarted:  # A number would be outdated when the row is graded.
            cases = self._cases.number(rows[places], read["unreadable_date"][places])
            read = read.with_columns(case=pl.lit(None, dtype=cases.dtype))
        else:
            read = read.with_columns(case=self._cases.number(rows, read["unreadable_date"]))
            cases = read["case"][places]
        placed = self._placed(read[places], places.cast(pl.Int64) + first)
        placed = placed.with_columns(dates["time"].gather(days[places]))
        placed = placed.with_columns(case=cases)
        if (late := after_death(rows[places], read[places], self._treated)) is not None:
            placed, places = placed.filter(~late), places.filter(~late)
        self._add_candidates(placed, rows, places)
        return read

    def _add_candidates(self, placed: pl.DataFrame, rows: pl.DataFrame, places: pl.Series) -> None:
        """Add those that may be baselines; ``placed`` are the rows at ``places``."""
        named, is_dated = placed["who"].is_not_null(), placed["first"] == placed["last"]
        before = named & placed["before_start"] & (is_dated | placed["declared"])
        if before.any():
            concerned = placed.filter(before)
            tests = self._tests(concerned["case"], concerned, _BASELINE_COLUMNS)
            self._baselines.add(tests, rows[places.filter(before)])
        undated = named & ~is_dated.fill_null(False)
        if undated.any():
            concerned = placed.filter(undated)
            self._baselines.add_undated(
                self._tests(concerned["case"], concerned, ["term", "valid"])
            )

    def grade(self, read: pl.DataFrame, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Grade every row of a piece, numbered from ``first``, for every term of its analyte.

        ``read`` is what the method ``read`` returned for ``rows``.

        Returns one row per input row and term, in input order: ``row`` Int64 (its number), ``term``
        (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``flags``
        (joined by a space, Categorical), ``criterion`` (NCI's wording), ``phase``, ``on_treatment``
        Boolean, ``days_from_end`` Int32, ``baseline_grade`` Int8, ``worse_than_baseline`` Boolean.
        Other texts are of type Enum. Meanings and nulls are those of ``PatientGrade``. Then ``who``
        Int64 (the row in ``patients``, null: none), ``last`` Date (the last day that the result may
        be of; null also where that is unlikely, so that it says nothing of follow-up), ``unplaced``
        (Enum of ``Unplaced``) and the Booleans of ``possible_columns``.
        """
        compared = self._compared(read, rows, first)
        ambiguous, may_differ = self._baselines.chosen.doubts(compared)
        compared = compared.with_columns(is_ambiguous=ambiguous, may_differ=may_differ)
        if (far := far_from_treatment(read, self._treated)) is not None:
            compared = flag_unlikely(compared, far.gather(compared["at"]))
        output = to_output(compared, self._grader.edition.terms)
        if (late := after_death(rows, read, self._treated)) is not None:
            output = refuse(output, late.gather(compared["at"]), Reason.AFTER_DEATH)
        if output["who"].null_count():
            output = refuse(output, output["who"].is_null(), Reason.MISSING_PATIENT)
        return output

    def settle(self, pieces: Callable[[], Iterable[tuple[pl.DataFrame, pl.DataFrame]]]) -> None:
        """Find out whether the choice among several results of a baseline's day matters.

        ``pieces`` gives what the method ``read`` returned for each piece, and its rows. It is asked
        only where later grades alone can tell; call this before ``grade``.
        """
        chosen = self._baselines.chosen
        patients = chosen.undecided
        for read, rows in pieces() if len(patients) else ():
            places = read["who"].is_in(patients.implode()).arg_true()
            if len(places):
                compared = self._compared(read[places], rows[places], 0)
                chosen.add_ambiguous(compared.filter("ambiguous"))

    def _compared(self, read: pl.DataFrame, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Return the tests of a piece, numbered from ``first``, compared with their baselines."""
        numbers = pl.int_range(first, first + len(read), eager=True)
        placed = self._placed(read, numbers).drop("first", "declared", "untreated")
        cases = self._cases.valid(read["case"], rows, read["unreadable_date"])
        return self._comparison.compare(self._tests(cases, placed, _GRADED_COLUMNS), rows)

    def other_baselines(self) -> pl.DataFrame:
        """Return rows of ``declared`` baselines and, where it differs, of the one ``by_date``."""
        return self._baselines.chosen.other_baselines

    def _later_that_day(self, read: pl.DataFrame, times: pl.Series) -> pl.Series:
        """Return whether results were taken on the day of the start, but after its time."""
        starts = self._treated.select("rt_start", "rt_start_time")[read["who"]]
        later = (read["first"] == starts["rt_start"]) & (times > starts["rt_start_time"])
        return later.fill_null(False).alias("later_that_day")

    def _placed(self, read: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """Return each row with its number, its patient and its place in time."""
        courses = self._treated.select("rt_start", "rt_end", "until")[read["who"]]
        partial = bool((read["first"] != read["last"]).any())
        frame = read.hstack(courses).with_columns(row=numbers, ongoing=pl.lit(False))
        if "later_that_day" in frame.columns:  # As if treatment had begun the day before.
            start = pl.col("rt_start") - pl.col("later_that_day").cast(pl.Int8) * timedelta(days=1)
            frame = frame.with_columns(start)
        placed = frame.with_columns(
            *place_columns(self._window, pl.col("until"), partial=partial),
            *possible_columns(self._window, pl.col("until")),
        ).with_columns(unplaced=why_unplaced())
        started = (pl.col("first") > pl.col("rt_start")).fill_null(False)
        return placed.select(
            "row", "first", "last", "declared", "phase", "on_treatment", "days_from_end",
            "no_radiotherapy_end", "unplaced", "may_be_acute", "may_be_late", "after_start",
            who=pl.col("who").cast(pl.Int64),
            before_start=(pl.col("phase") == "pre_treatment") | (pl.col("declared") & ~started),
            has_started=started,
            untreated=pl.col("rt_start").is_null(),
            old=(pl.col("rt_start") - pl.col("last")) > OLD_BASELINE,
        )  # fmt: skip

    def _tests(self, cases: pl.Series, placed: pl.DataFrame, wanted: list[str]) -> pl.DataFrame:
        """Return one row per result and term: the columns of ``placed``, the ``wanted`` ones of
        ``Cases.tests``, ``at`` (the row of ``placed``) and ``test`` (the row of ``Cases.tests``).
        """
        places = self._cases.tests_of(cases)
        if len(places) != len(placed):
            placed = placed[places["at"]]
        return placed.hstack(self._cases.tests.select(wanted)[places["test"]]).hstack(places)
