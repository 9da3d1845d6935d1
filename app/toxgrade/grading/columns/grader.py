"""The column grader of many patients: the steps of ``grading/patient.py`` for millions of rows.

An export is read twice, in pieces. The first pass parses every text and collects candidates for
baselines; the second grades every row, in order, against the chosen ones. Rows whose numbers do not
fit 64-bit millionths go to the plain grader, so every row gets exactly the plain grader's grade.
"""

import polars as pl

from toxgrade.grading.columns.baselines import Baselines
from toxgrade.grading.columns.by_group import grade_groups, grade_one_by_one, scatter
from toxgrade.grading.columns.cases import Cases
from toxgrade.grading.columns.kernel import GRADED
from toxgrade.grading.columns.normalize import is_declared
from toxgrade.grading.columns.output import flags_of_grade, refuse_without_patient, to_output
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.columns.phase import last_acute_days, place_columns
from toxgrade.grading.columns.spellings import CachedParser, text_index
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import COLUMNS, lab_result
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

    ``rows`` has ``COLUMNS`` and ``rt_start``, ``rt_end`` (Date, null: unknown), which are the same
    on all rows of a patient. A row without a patient is not graded.

    Returns the columns of ``ColumnGrader.grade`` except ``who`` and ``last``.
    """
    courses = rows.select("patient", "rt_start", "rt_end").drop_nulls("patient")
    columns = ColumnGrader(grader, window, courses.unique("patient"))
    read = columns.read(rows, columns.number(rows["patient"]), 0)
    return columns.grade(read, rows, 0).drop("who", "last")


class ColumnGrader:
    """The grader of an export in pieces: all go through ``read``, then all through ``grade``.

    ``courses`` has one row per patient: ``patient`` String, ``rt_start`` and ``rt_end`` Date (null:
    unknown). A patient who is not in it has no dates.
    """

    def __init__(self, grader: TermGrader, window: Window, courses: pl.DataFrame) -> None:
        self._grader, self._window = grader, window
        self._cases, self._dates = Cases(grader), CachedParser(read_dates)
        self._baselines = Baselines(len(grader.edition.terms), self._cases.units, grader.names)
        self._names = text_index()
        self._courses = courses
        self._treated = self._with_courses(self._names.known)  # Row n is that of patient n.

    def _with_courses(self, names: pl.DataFrame) -> pl.DataFrame:
        """Return patients with their course and its last acute day (``until``), in their order."""
        until = last_acute_days(self._window).alias("until")
        courses = self._courses.with_columns(until)
        patients = names.rename({"text": "patient"})
        return patients.join(courses, on="patient", how="left", maintain_order="left")

    @property
    def patients(self) -> pl.DataFrame:
        """Return the patients read so far by number: ``patient``, ``rt_start``, ``rt_end`` Date."""
        return self._treated.drop("until")

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
        Boolean, and ``case`` UInt32 (null: ``grade`` must look it up again).
        """
        days = self._dates.numbers(rows["collected"].fill_null(""))
        if len(self._names.known) > len(self._treated):
            new = self._with_courses(self._names.known[len(self._treated) :])
            self._treated = pl.concat([self._treated, new], rechunk=True)
        dates = self._dates.known
        read = dates.select("first", "last", "unreadable_date")[days].with_columns(
            is_declared(rows), who=who
        )
        # These two days alone show that most rows are from after the start.
        early = (read["first"] <= self._treated["rt_start"].gather(who)).fill_null(False)
        places = (early | read["declared"]).arg_true()
        if self._cases.restarted:  # A number would be outdated when the row is graded.
            cases = self._cases.number(rows[places], read["unreadable_date"][places])
            read = read.with_columns(case=pl.lit(None, dtype=cases.dtype))
        else:
            read = read.with_columns(case=self._cases.number(rows, read["unreadable_date"]))
            cases = read["case"][places]
        placed = self._placed(read[places], places.cast(pl.Int64) + first)
        placed = placed.with_columns(dates["time"].gather(days[places]))
        before = placed["before_start"] & placed["who"].is_not_null()
        if before.any():
            concerned = placed.with_columns(case=cases).filter(before)
            tests = self._tests(concerned["case"], concerned, _BASELINE_COLUMNS)
            self._baselines.add(tests, rows[places.filter(before)])
        return read

    def grade(self, read: pl.DataFrame, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Grade every row of a piece, numbered from ``first``, for every term of its analyte.

        ``read`` is what the method ``read`` returned for ``rows``.

        Returns one row per input row and term, in input order: ``row`` Int64 (its number), ``term``
        (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``flags``
        (joined by a space, Categorical), ``criterion`` (NCI's wording), ``phase``, ``on_treatment``
        Boolean, ``days_from_end`` Int32, ``baseline_grade`` Int8, ``worse_than_baseline`` Boolean.
        Other texts are of type Enum. Meanings and nulls are those of ``PatientGrade``. Then ``who``
        Int64 (the row in ``patients``, null: none) and ``last`` Date (the last day that the result
        may be of).
        """
        numbers = pl.int_range(first, first + len(read), eager=True)
        placed = self._placed(read, numbers).drop("first", "declared")
        cases = self._cases.valid(read["case"], rows, read["unreadable_date"])
        tests = self._baselines.add_bounds(self._tests(cases, placed, _GRADED_COLUMNS))
        graded = self._against_baselines(tests, rows)
        return refuse_without_patient(to_output(graded, self._grader.edition.terms))

    def other_baselines(self) -> pl.DataFrame:
        """Return rows of ``declared`` baselines and, where it differs, of the one ``by_date``."""
        return self._baselines.other_baselines()

    def _placed(self, read: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        """Return each row with its number, its patient and its place in time."""
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
        """Return one row per result and term: the columns of ``placed``, the ``wanted`` ones of
        ``Cases.tests``, ``at`` (the row of ``placed``) and ``test`` (the row of ``Cases.tests``).
        """
        places = self._cases.tests_of(cases)
        if len(places) != len(placed):
            placed = placed[places["at"]]
        return placed.hstack(self._cases.tests.select(wanted)[places["test"]]).hstack(places)

    def _against_baselines(self, tests: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Grade results after the start against the baseline, where their term depends on it."""
        concerned = (tests["compares"] & ~tests["before_start"]).arg_true()
        if not len(concerned):
            return tests
        part = tests.select("at", "test", "who")[concerned]
        part = part.hstack(self._cases.tests.drop("compares")[part["test"]])
        graded = self._baselines.add_numbers(part.hstack(self._baselines.find(part)))
        # What ``<60`` may be depends on whether it was normal: the plain grader tries both.
        either = graded["baseline_above_uln"].is_null() | graded["baseline_below_lln"].is_null()
        either &= (graded["baseline_comparator"] > 0).fill_null(False)
        is_graded = graded["refused"].is_null()
        needs_plain = graded["one_by_one"] | ((graded["b_one_by_one"] | either) & is_graded)
        in_columns = is_graded & ~needs_plain
        graded = grade_groups(graded, "full", in_columns, self._cases.groups)
        graded = graded.with_columns(flags=flags_of_grade())
        plain_rows = graded.select("at", "term", "b")[needs_plain.arg_true()].iter_rows()
        texts = rows.select(COLUMNS)
        plain_grades = grade_one_by_one(
            self._grader,
            (
                (lab_result(texts.row(at, named=True)), term, self._baselines.as_written(b))
                for at, term, b in plain_rows
            ),
        )
        graded = scatter(graded, needs_plain.arg_true(), plain_grades)
        return scatter(tests, concerned, graded.select(*GRADED, "flags"))
