"""Cases, each graded once by the limits of normal, as ``grading/grader.py`` grades one result."""

import polars as pl

from toxgrade.grading.columns.by_group import grade_groups, grade_one_by_one, scatter
from toxgrade.grading.columns.interning import TextIndex
from toxgrade.grading.columns.limits import odd
from toxgrade.grading.columns.normalize import Marks, as_strings, normalize, said_beyond
from toxgrade.grading.columns.output import FLAG_BITS, flags_of_grade
from toxgrade.grading.columns.parse import read_values
from toxgrade.grading.columns.slots import Group
from toxgrade.grading.columns.spellings import Spellings
from toxgrade.grading.columns.study_ranges import RANGE, StudyRanges
from toxgrade.grading.columns.verdicts import grade_by_thresholds
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.units import UnitKeys

_MAX_CASES = 200_000
"""The number of cases that are kept; with more (each row with its own range) numbering restarts."""
_TEXTS = ("analyte", "unit", "limit_unit", "lln", "uln", "value")
_KEY = {**dict.fromkeys((*_TEXTS, RANGE), pl.UInt32), "marks": pl.UInt8}
"""The key of a case: the numbers of its texts, and all of ``Marks.of`` in one number."""
_BASELINE = {
    "baseline": pl.Int64, "baseline_comparator": pl.Int8, "b_times": pl.Int64,
    "v_times": pl.Int64,
    **dict.fromkeys(("baseline_above_uln", "baseline_below_lln"), pl.Boolean),
    **dict.fromkeys(("baseline_above_uln_silent", "baseline_below_lln_silent"), pl.Boolean),
}  # fmt: skip
"""The columns of a baseline that ``grade_group`` needs."""


class Cases:
    """The cases seen so far, numbered in order of appearance; no number is used twice.

    ``tests`` has one row per case and term: the columns of ``normalize`` and ``Spellings.tests``,
    ``compares`` Boolean (its term compares with a baseline), ``at_least``, ``at_most``, ``reason``
    Int8 and ``flags`` Int32 (bits).

    ``units`` has the keys of the analytes' units, which never change.
    """

    def __init__(self, grader: TermGrader, ranges: StudyRanges) -> None:
        self._grader, self._ranges = grader, ranges
        self.units = UnitKeys()
        self._marks = Marks(grader.names)
        self._dropped = 0
        self._restart()

    def _restart(self) -> None:
        self._spellings = Spellings(self._grader, self.units)
        self._numbers = {name: TextIndex() for name in _TEXTS}
        self._known = pl.DataFrame(schema={**_KEY, "case": pl.UInt32})
        self._tests_by_case = pl.DataFrame(schema={"begin": pl.UInt32, "count": pl.UInt32})
        self.tests = pl.DataFrame()  # The first rows, even none, set the schema.

    @property
    def groups(self) -> list[Group]:
        """Return the groups, of which ``own_group`` and ``full_group`` of a test are indexes."""
        return self._spellings.tables.groups

    @property
    def restarted(self) -> bool:
        """Return whether there were too many cases, so that numbering has restarted."""
        return self._dropped > 0

    def number(self, rows: pl.DataFrame, unreadable_date: pl.Series) -> pl.Series:
        """Return the case of each row (UInt32), after parsing and grading new cases.

        ``rows`` has ``COLUMNS``; ``unreadable_date`` is from ``read_dates``. The numbers are valid
        until there are too many cases and all are dropped.
        """
        if len(self._known) > _MAX_CASES:
            self._dropped += len(self._known)
            self._restart()
        marks = self._marks.of(rows, unreadable_date)
        keys = self._keys(rows, marks)
        cases = self._look_up(keys)
        new = cases.is_null().arg_true()
        if len(new) or not self._known.height:
            new_keys = keys[new]
            first = new_keys.with_columns(at=new).unique([*_KEY], keep="first", maintain_order=True)
            at = first["at"]
            self._add(keys[at], marks[at], as_strings(rows[at]))
            cases = cases.scatter(new, self._look_up(new_keys))
        return cases + self._dropped

    def valid(self, cases: pl.Series, rows: pl.DataFrame, unreadable_date: pl.Series) -> pl.Series:
        """Return ``cases`` of ``number`` if they are still valid, else number the rows again."""
        holds = (cases >= self._dropped).fill_null(False)
        return cases if holds.all() else self.number(rows, unreadable_date)

    def tests_of(self, cases: pl.Series) -> pl.DataFrame:
        """Return each test of ``cases``: ``at`` (index in them), ``test`` (index in ``tests``)."""
        return each_test(self._tests_by_case[cases - self._dropped])

    def _keys(self, rows: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
        """Return the columns of ``_KEY`` for each row."""
        nothing = pl.repeat(None, len(rows), dtype=pl.UInt32, eager=True)
        numbers = {
            name: nothing if rows[name].null_count() == len(rows) else each.of(rows[name])
            for name, each in self._numbers.items()
        }
        numbers[RANGE] = rows[RANGE] if RANGE in rows.columns else nothing
        packed = (
            pl.col("active").cast(pl.UInt8)
            + pl.col("unreadable_date").cast(pl.UInt8) * 2
            + pl.col("specimen").cast(pl.UInt8) * 4
            + pl.col("indicator").fill_null(0).cast(pl.UInt8) * 16
        )
        return pl.DataFrame(numbers).hstack(marks.select(marks=packed))

    def _look_up(self, keys: pl.DataFrame) -> pl.Series:
        # Columns without any text are left out of the join: each is a fifth of its work.
        empty = [name for name in (*_TEXTS, RANGE) if keys[name].null_count() == len(keys)]
        known = self._known
        if empty:
            known = known.filter(pl.col(name).is_null() for name in empty).drop(empty)
        key = [name for name in _KEY if name not in empty]
        found = keys.select(key).join(
            known, on=key, how="left", nulls_equal=True, maintain_order="left"
        )
        return found["case"]

    def _add(self, keys: pl.DataFrame, marks: pl.DataFrame, texts: pl.DataFrame) -> None:
        """Parse and grade new cases, each from the texts of one of its rows."""
        spellings = self._spellings.look_up(texts)
        facts = self._with_ranges(self._spellings.facts[spellings], texts)
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

    def _with_ranges(self, facts: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
        """Return the facts of rows with the study's range where they have no usable one."""
        if RANGE not in texts.columns:
            return facts
        none = facts["lln"].is_null() & facts["uln"].is_null() & facts["refused"].is_null()
        readable = facts["limit_unit_known"] & ~facts["unreadable_limit"] & ~facts["one_by_one"]
        places = (none & readable & texts[RANGE].is_not_null()).arg_true()
        if not len(places):
            return facts
        lent = self._ranges.limits[texts[RANGE][places]].get_columns()
        spelled = self._spellings.look_up(texts[places].with_columns(lent))
        flags = facts["limit_flags"][places] | FLAG_BITS[Flag.RANGE_FROM_STUDY]
        return scatter(facts, places, self._spellings.facts[spelled].with_columns(flags))

    def _graded(self, tests: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
        """Grade tests by the limits of normal; ``texts`` are those of their rows."""
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
        plain = zip(self._ranges.results(texts[places]), terms, strict=True)
        graded = grade_one_by_one(
            self._grader, ((result, term, REFERENCE_RANGE_ONLY) for result, term in plain)
        )
        return scatter(tests, places, graded).drop(_BASELINE)


def each_test(spans: pl.DataFrame) -> pl.DataFrame:
    """Return ``at`` (row of ``spans``) and ``test`` (``count`` numbers from ``begin``), UInt32."""
    end = pl.col("begin") + pl.col("count")
    return spans.select(
        at=pl.int_range(pl.len(), dtype=pl.UInt32),
        test=pl.int_ranges("begin", end, dtype=pl.UInt32),
    ).explode("test")
