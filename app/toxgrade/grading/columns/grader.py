"""Cases, each graded once by the limits of normal, as ``grading/grader.py`` grades one result."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from toxgrade.grading.columns.by_group import grade_groups, grade_one_by_one, scatter
from toxgrade.grading.columns.interning import TextIndex, hardly_repeat, look_up
from toxgrade.grading.columns.limits import odd
from toxgrade.grading.columns.normalize import Marks, as_strings, normalize, said_beyond
from toxgrade.grading.columns.output import FLAG_BITS, flags_of_grade
from toxgrade.grading.columns.parse import read_values
from toxgrade.grading.columns.slots import Group
from toxgrade.grading.columns.spellings import GRADES, NAMED, SPELLING, Spellings
from toxgrade.grading.columns.study_ranges import RANGE, StudyRanges
from toxgrade.grading.columns.verdicts import grade_by_thresholds
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.units import UnitKeys

_MAX_CASES = 200_000
"""The number of cases that are kept; where there are more, each later row is one of its own."""
_APART = 1 << 40  # The number of the first case that is not kept.
_TEXTS = (*SPELLING, "value")
_KEY = (*_TEXTS, RANGE, "marks")
"""The key of a case: the numbers of its texts, and all of ``Marks.of`` in one number."""
_BASELINE = {
    "baseline": pl.Int64, "baseline_comparator": pl.Int8, "b_times": pl.Int64,
    "v_times": pl.Int64,
    **dict.fromkeys(("baseline_above_uln", "baseline_below_lln"), pl.Boolean),
    **dict.fromkeys(("baseline_above_uln_silent", "baseline_below_lln_silent"), pl.Boolean),
}  # fmt: skip
"""The columns of a baseline that ``grade_group`` needs."""
_OWN = ("own_group", "own_row", "indicator", *(f"{bound}{n}" for bound in "pq" for n in GRADES))
"""The columns of a test that are needed no more when it is graded by the limits of normal."""


class CaseTests(NamedTuple):
    """The tests of cases that are numbered from ``first``.

    ``spans`` has for each case the ``begin`` and ``count`` of its tests. ``tests`` has one row per
    case and term: columns of ``normalize`` and ``Spellings.tests``, ``compares`` Boolean (its term
    compares with a baseline), ``at_least``, ``at_most``, ``reason`` Int8 and ``flags`` Int32
    (bits).
    """

    spans: pl.DataFrame
    tests: pl.DataFrame
    first: int = 0

    @classmethod
    def by_count(cls, counts: pl.Series, tests: pl.DataFrame, first: int = 0) -> "CaseTests":
        """Return cases by the number of tests of each."""
        count = counts.cast(pl.UInt32)
        begin = count.cum_sum() - count
        return cls(pl.DataFrame({"begin": begin, "count": count}), tests, first)

    def of(self, cases: pl.Series) -> pl.DataFrame:
        """Return each test of ``cases``: ``at`` (index in them), ``test`` (index in ``tests``)."""
        return _each_test(self.spans[(cases - self.first).cast(pl.UInt32)])

    def beside(self, placed: pl.DataFrame, wanted: list[str]) -> pl.DataFrame:
        """Return one row per result and term: the columns of ``placed``, of which ``case`` is one,
        the ``wanted`` ones of its ``tests``, and those of ``of``.
        """
        places = self.of(placed["case"])
        if len(places) != len(placed):
            placed = placed[places["at"]]
        return placed.hstack(self.tests.select(wanted)[places["test"]]).hstack(places)

    def and_more(self, more: "CaseTests") -> "CaseTests":
        """Return these cases, and others behind them."""
        spans = more.spans.with_columns(pl.col("begin") + len(self.tests))
        tests = pl.concat([self.tests, more.tests], rechunk=True) if len(self.tests) else more.tests
        return CaseTests(pl.concat([self.spans, spans], rechunk=True), tests, self.first)


class Read(NamedTuple):
    """What ``ColumnGrader.read`` found out of a piece, for ``grade``.

    ``rows`` has for each of its rows ``who`` UInt32, ``first`` and ``last`` Date (the days it may
    be of), ``unreadable_date`` and ``declared`` Boolean, ``later_that_day`` Boolean (only where
    starts have a time), ``RANGE`` (only with ranges), and ``case``. Where the cases are not kept,
    ``tests`` are theirs, and ``rows`` has ``count``, how many each has.
    """

    rows: pl.DataFrame
    tests: pl.DataFrame


class Cases:
    """The cases seen so far, of which no two have one number.

    ``units`` has the keys of the analytes' units, which never change. ``kept`` has the tests of
    the cases that were met as long as they repeated and were not too many.
    """

    def __init__(self, grader: TermGrader, ranges: StudyRanges) -> None:
        self._grader, self._ranges = grader, ranges
        self.units = UnitKeys()
        self._marks = Marks(grader.names)
        self._spellings = Spellings(grader, self.units)
        self._numbers = {name: TextIndex() for name in _TEXTS}
        key = dict.fromkeys(_KEY, pl.UInt32) | {"marks": pl.UInt8}
        self._known = pl.DataFrame(schema={**key, "case": pl.UInt32})
        self.kept = CaseTests.by_count(pl.Series(dtype=pl.UInt32), pl.DataFrame())
        self._next = _APART

    @property
    def groups(self) -> list[Group]:
        """Return the groups, of which ``own_group`` and ``full_group`` of a test are indexes."""
        return self._spellings.tables.groups

    def number(self, rows: pl.DataFrame, unreadable_date: pl.Series) -> tuple[pl.Series, CaseTests]:
        """Return the case of each row, and the tests of such cases.

        ``rows`` has ``COLUMNS``; ``unreadable_date`` is from ``read_dates``. Where cases repeat,
        new ones are parsed, graded and kept; their numbers are UInt32. Where they hardly do, or are
        too many, each row is a case of its own, of which nothing is kept; the numbers are Int64.
        """
        marks = self._marks.of(rows, unreadable_date)
        if len(self._known) > _MAX_CASES or hardly_repeat(rows, _TEXTS):
            first, self._next = self._next, self._next + len(rows)
            repeat = len(self._spellings) <= _MAX_CASES and not hardly_repeat(rows, SPELLING)
            keys = self._keys(rows, SPELLING if repeat else NAMED)
            cases = pl.int_range(first, self._next, eager=True)
            return cases, self._graded(keys, rows, marks)._replace(first=first)
        keys = self._keys(rows, _TEXTS).hstack([_packed(marks)]).select(_KEY)
        cases = look_up(keys, self._known)
        if cases.null_count() or not len(self._known):
            new = keys.with_row_index("at").filter(cases.is_null())
            at = new.unique([*_KEY], keep="first", maintain_order=True)["at"]
            self.kept = self.kept.and_more(self._graded(keys[at], rows[at], marks[at]))
            known = len(self._known)
            numbers = pl.int_range(known, known + len(at), dtype=pl.UInt32, eager=True)
            self._known = pl.concat([self._known, keys[at].with_columns(case=numbers)])
            cases = look_up(keys, self._known)
        return cases, self.kept

    def _keys(self, rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """Return the numbers of the texts of each row, and its ``RANGE``."""
        nothing = pl.repeat(None, len(rows), dtype=pl.UInt32, eager=True)
        numbers = {
            name: self._numbers[name].of(rows[name]) if rows[name].count() else nothing
            for name in names
        }
        numbers[RANGE] = rows[RANGE] if RANGE in rows.columns else nothing
        return pl.DataFrame(numbers)

    def _graded(self, keys: pl.DataFrame, rows: pl.DataFrame, marks: pl.DataFrame) -> CaseTests:
        """Parse and grade rows, each a case. Spellings are looked up if ``keys`` has all their
        texts.
        """
        if "lln" in keys.columns:
            spellings = self._spellings.look_up(keys, rows)
            facts, spelled = self._spellings.facts[spellings], self._spellings.tests
        else:
            facts, spelled = self._spellings.read(keys, rows)
        if RANGE in rows.columns:
            facts, spelled = self._with_ranges(facts, spelled, rows)
        values = read_values(rows["value"].cast(pl.String).fill_null(""))
        read = normalize(facts.hstack(values).hstack(marks), self._grader.implausible)
        places = _each_test(read.select("begin", count="tests"))
        tests = read.drop("begin", "tests")[places["at"]].hstack(spelled[places["test"]])
        return CaseTests.by_count(read["tests"], self._by_limits(tests, rows, places["at"]))

    def _with_ranges(
        self, facts: pl.DataFrame, spelled: pl.DataFrame, rows: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return facts, and tests, of rows with the study's range where they have no usable one."""
        none = facts["lln"].is_null() & facts["uln"].is_null() & facts["refused"].is_null()
        readable = facts["limit_unit_known"] & ~facts["unreadable_limit"] & ~facts["one_by_one"]
        places = (none & readable & rows[RANGE].is_not_null()).arg_true()
        if not len(places):
            return facts, spelled
        lent = rows[places].with_columns(self._ranges.limits[rows[RANGE][places]].get_columns())
        own = self._spellings.look_up(self._keys(lent, SPELLING), lent)
        flags = facts["limit_flags"][places] | FLAG_BITS[Flag.RANGE_FROM_STUDY]
        begin = pl.col("begin") + len(spelled)
        lent_facts = self._spellings.facts[own].with_columns(flags, begin)
        return scatter(facts, places, lent_facts), pl.concat([spelled, self._spellings.tests])

    def _by_limits(self, tests: pl.DataFrame, rows: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
        """Grade tests by the limits of normal; ``at`` are the places of their rows."""
        tests = tests.with_columns(grade_by_thresholds()).with_columns(
            *(pl.lit(None, dtype=dtype).alias(name) for name, dtype in _BASELINE.items()),
            compares=pl.col("full_group").is_not_null(),
            said_beyond=said_beyond(),
            by_indicator=pl.lit(False),
        )
        between = (odd("value") | odd("limit")) == 1
        others = (tests["own_group"] != 0) | (tests["comparator"] != 0)
        others |= tests["said_beyond"].is_not_null() | tests.select(between).to_series()
        among = tests["refused"].is_null() & ~tests["one_by_one"] & others
        tests = grade_groups(tests, "own", among, self.groups).with_columns(flags=flags_of_grade())
        places = tests["one_by_one"].arg_true()
        terms = tests["term"].gather(places)
        results = self._ranges.results(as_strings(rows[at.gather(places)]))
        plain = zip(results, terms, strict=True)
        graded = grade_one_by_one(
            self._grader, ((result, term, REFERENCE_RANGE_ONLY) for result, term in plain)
        )
        return scatter(tests, places, graded).drop(*_BASELINE, *_OWN)


def _packed(marks: pl.DataFrame) -> pl.Series:
    """Return all of ``Marks.of`` in one number."""
    return marks.select(
        marks=pl.col("active").cast(pl.UInt8)
        + pl.col("unreadable_date").cast(pl.UInt8) * 2
        + pl.col("specimen").cast(pl.UInt8) * 4
        + pl.col("indicator").fill_null(0).cast(pl.UInt8) * 16
    ).to_series()


def _each_test(spans: pl.DataFrame) -> pl.DataFrame:
    """Return ``at`` (row of ``spans``) and ``test`` (``count`` numbers from ``begin``), UInt32."""
    end = pl.col("begin") + pl.col("count")
    return spans.select(
        at=pl.int_range(pl.len(), dtype=pl.UInt32),
        test=pl.int_ranges("begin", end, dtype=pl.UInt32),
    ).explode("test")
