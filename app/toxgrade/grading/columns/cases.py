"""Grading parts of a frame of tests: group by group in columns, or by the plain grader."""

from collections.abc import Iterable, Sequence

import polars as pl

from toxgrade.grading.columns.kernel import GRADED, grade_by_thresholds, grade_group
from toxgrade.grading.columns.lookup_tables import REASON_CODES, Group
from toxgrade.grading.columns.normalize import is_active, normalize, written
from toxgrade.grading.columns.output import FLAG_BITS, flags_of_grade
from toxgrade.grading.columns.parse import read_values
from toxgrade.grading.columns.spellings import Spellings, TextIndex
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline, TermGrader
from toxgrade.grading.parse import lab_result
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import UnitKeys


def by_groups(
    tests: pl.DataFrame, side: str, among: pl.Series, groups: Sequence[Group]
) -> pl.DataFrame:
    """``tests`` with those that ``among`` marks graded, each in its group.

    ``side``: ``own`` (limits of normal alone) or ``full``: of ``…_group`` and ``…_row``, the number
    among ``groups`` and the test's row there.
    """
    which = tests[f"{side}_group"]
    for index in which.filter(among).unique(maintain_order=True):
        places = (among & (which == index)).arg_true()
        part = tests[places].with_columns(test_row=f"{side}_row")
        tests = put(tests, places, grade_group(part, groups[index]))
    return tests


def by_plain_grader(
    grader: TermGrader, asked: Iterable[tuple[LabResult, int | None, Baseline]]
) -> pl.DataFrame:
    """``at_least``, ``at_most``, ``reason`` and ``flags`` of results, each for one term (by its
    place in the edition; None: its analyte is not graded).
    """
    graded = []
    for result, place, baseline in asked:
        term = None if place is None else grader.edition.terms[place]
        grade = grader.grade(result, term, baseline)
        reason = None if grade.reason is None else REASON_CODES[grade.reason]
        flags = sum(FLAG_BITS[flag] for flag in grade.flags)
        graded.append((grade.at_least, grade.at_most, reason, flags))
    return pl.DataFrame(graded, schema={**GRADED, "flags": pl.Int16}, orient="row")


def put(frame: pl.DataFrame, places: pl.Series, graded: pl.DataFrame) -> pl.DataFrame:
    """Write graded rows back to their places."""
    return frame.with_columns(
        frame[name].clone().scatter(places, graded[name]) for name in graded.columns
    )


_MOST = 200_000
"""Cases that are kept: an export with more (a range of its own on each row) starts anew."""
_TEXTS = ("analyte", "unit", "limit_unit", "lln", "uln", "value")
_KEY = {**dict.fromkeys(_TEXTS, pl.UInt32), "marks": pl.UInt8}
"""What makes a case: the numbers of its texts, and two yes or no in one."""
_BASELINE = {
    "baseline": pl.Int64, "baseline_comparator": pl.Int8, "b_times": pl.Int64,
    "v_times": pl.Int64, "baseline_above_uln": pl.Boolean, "baseline_below_lln": pl.Boolean,
}  # fmt: skip
"""What ``grade_group`` asks of a baseline."""


class Cases:
    """The cases met so far, numbered as they are met; none gets the number of another.

    ``tests``, by case and term: the columns of ``normalize`` and of ``Spellings.tests``,
    ``compares`` Boolean (its term compares with a baseline), ``at_least``, ``at_most``, ``reason``
    Int8 and ``flags`` Int16 (bits).

    ``units`` numbers the analytes' units, for good.
    """

    def __init__(self, grader: TermGrader) -> None:
        self._grader = grader
        self.units = UnitKeys()
        self._begun = 0
        self._start_anew()

    def _start_anew(self) -> None:
        self._spellings = Spellings(self._grader, self.units)
        self._numbers = {name: TextIndex() for name in _TEXTS}
        self._known = pl.DataFrame(schema={**_KEY, "case": pl.UInt32})
        self._tests_by_case = pl.DataFrame(schema={"begin": pl.UInt32, "count": pl.UInt32})
        self.tests = pl.DataFrame()  # its columns come with the first rows, were it none

    @property
    def groups(self) -> list[Group]:
        """What ``own_group`` and ``full_group`` of a test number."""
        return self._spellings.tables.groups

    @property
    def let_go(self) -> bool:
        """Whether there were too many cases once."""
        return self._begun > 0

    def number(self, rows: pl.DataFrame, unreadable_date: pl.Series) -> pl.Series:
        """The case of each row (UInt32), read and graded where it is new.

        ``rows``: the columns ``COLUMNS``; ``unreadable_date`` of ``read_dates``. The numbers hold
        until there are too many cases, and all are let go.
        """
        if len(self._known) > _MOST:
            self._begun += len(self._known)
            self._start_anew()
        marks = pl.DataFrame({"active": is_active(rows), "unreadable_date": unreadable_date})
        keys = self._keys(rows, marks)
        cases = self._look_up(keys)
        new = cases.is_null().arg_true()
        if len(new) or not self._known.height:
            asked = keys[new]
            first = asked.with_columns(at=new).unique([*_KEY], keep="first", maintain_order=True)
            at = first["at"]
            self._add(keys[at], marks[at], written(rows[at]))
            cases = cases.scatter(new, self._look_up(asked))
        return cases + self._begun

    def still(self, cases: pl.Series, rows: pl.DataFrame, unreadable_date: pl.Series) -> pl.Series:
        """What ``number`` gave for rows before; numbered again where those cases were let go, or
        null.
        """
        holds = (cases >= self._begun).fill_null(False)
        return cases if holds.all() else self.number(rows, unreadable_date)

    def tests_of(self, cases: pl.Series) -> pl.DataFrame:
        """``at`` (the place among ``cases``) and ``test`` (a place in ``tests``), UInt32."""
        return each_test(self._tests_by_case[cases - self._begun])

    def _keys(self, rows: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
        nothing = pl.repeat(None, len(rows), dtype=pl.UInt32, eager=True)
        numbers = {
            name: nothing if rows[name].null_count() == len(rows) else each.of(rows[name])
            for name, each in self._numbers.items()
        }
        both = pl.col("active").cast(pl.UInt8) * 2 + pl.col("unreadable_date")
        return pl.DataFrame(numbers).hstack(marks.select(marks=both))

    def _look_up(self, keys: pl.DataFrame) -> pl.Series:
        # A column without a text is left out of the comparison: each is a fifth of its work.
        empty = [name for name in _TEXTS if keys[name].null_count() == len(keys)]
        known = self._known
        if empty:
            known = known.filter(pl.col(name).is_null() for name in empty).drop(empty)
        key = [name for name in _KEY if name not in empty]
        found = keys.select(key).join(
            known, on=key, how="left", nulls_equal=True, maintain_order="left"
        )
        return found["case"]

    def _add(self, keys: pl.DataFrame, marks: pl.DataFrame, texts: pl.DataFrame) -> None:
        """Read and grade new cases, each with the texts of one of its rows."""
        spellings = self._spellings.look_up(texts)
        facts = self._spellings.facts[spellings]
        values = read_values(texts["value"].fill_null(""))
        read = normalize(facts.hstack(values).hstack(marks), self._grader.implausible)
        begin, first = len(self._known), len(self.tests)
        places = each_test(read.select("begin", count="tests"))
        tests = read.drop("begin", "tests")[places["at"]].hstack(
            self._spellings.tests[places["test"]]
        )
        graded = self._graded(tests, texts[places["at"]])
        count = read["tests"].cast(pl.UInt32)
        ends = count.cum_sum() + first
        numbers = pl.int_range(begin, begin + len(keys), dtype=pl.UInt32, eager=True)
        self._known = pl.concat([self._known, keys.with_columns(case=numbers)])
        begins = pl.DataFrame({"begin": ends - count, "count": count})
        self._tests_by_case = pl.concat([self._tests_by_case, begins], rechunk=True)
        self.tests = pl.concat([self.tests, graded], rechunk=True) if first else graded

    def _graded(self, tests: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
        tests = tests.with_columns(grade_by_thresholds()).with_columns(
            *(pl.lit(None, dtype=dtype).alias(name) for name, dtype in _BASELINE.items()),
            compares=pl.col("full_group").is_not_null(),
        )
        by_hand = tests["one_by_one"]
        others = (tests["own_group"] != 0) | (tests["comparator"] != 0)
        among = tests["refused"].is_null() & ~by_hand & others
        tests = by_groups(tests, "own", among, self.groups).with_columns(flags=flags_of_grade())
        places = by_hand.arg_true()
        asked = zip(texts[places].iter_rows(named=True), tests["term"].gather(places), strict=True)
        graded = by_plain_grader(
            self._grader, ((lab_result(row), term, REFERENCE_RANGE_ONLY) for row, term in asked)
        )
        return put(tests, places, graded).drop(_BASELINE)


def each_test(of: pl.DataFrame) -> pl.DataFrame:
    """``at`` (the row of ``of``) and ``test`` (UInt32), from ``begin`` on as many as ``count``."""
    end = pl.col("begin") + pl.col("count")
    return of.select(
        at=pl.int_range(pl.len(), dtype=pl.UInt32),
        test=pl.int_ranges("begin", end, dtype=pl.UInt32),
    ).explode("test")
