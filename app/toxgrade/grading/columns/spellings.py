"""The texts of a column, each read once however often they repeat."""

from collections.abc import Callable

import polars as pl

from toxgrade.grading.columns.lookup_tables import SIMPLE, Combination, Tables
from toxgrade.grading.columns.output import FLAG_BITS, flag_bit
from toxgrade.grading.columns.parse import read_column
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_limit
from toxgrade.grading.result import Flag
from toxgrade.grading.units import UnitKeys


class TextIndex:
    """Numbers the texts of a column as they are met, from 0.

    To number a text costs a row one look at a hash table; where the column is Categorical already,
    the numbers are those it has, and cost nothing.
    """

    def __init__(self) -> None:
        self._none: pl.Series | None = None  # polars forgets the numbers once no series has them

    def of(self, texts: pl.Series) -> pl.Series:
        """The number of each text (UInt32; null of null).

        ``texts``: String, or Categorical: each text that it knows must be on a row of some piece.
        """
        if self._none is None and not isinstance(texts.dtype, pl.Categorical):
            self._none = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        found = texts if self._none is None else texts.cast(self._none.dtype)
        self._none = found.head(0)
        return found.to_physical()

    def texts(self, first: int, end: int) -> pl.Series:
        """The texts of the numbers from ``first`` to before ``end``, of those that were met."""
        assert self._none is not None, "none was met"
        numbers = pl.int_range(first, end, dtype=pl.UInt32, eager=True)
        return numbers.cat.to(self._none.dtype).cast(pl.String)


class CachedParser:
    """Reads each text of a column once.

    An export of millions of rows has some thousand days and some ten thousand patients.

    ``read`` gives a frame with one row for each text of a String column; ``known`` is what it gave
    so far, by number. ``most``: the texts that are kept, after which numbering starts anew; None:
    all, and no text ever changes its number.
    """

    def __init__(
        self, read: Callable[[pl.Series], pl.DataFrame], most: int | None = 500_000
    ) -> None:
        self._read, self._most = read, most
        self._start_anew()

    def _start_anew(self) -> None:
        self._numbers = TextIndex()
        self.known = self._read(pl.Series(dtype=pl.String))

    def numbers(self, texts: pl.Series) -> pl.Series:
        """The number of each text, as ``TextIndex.of``, until the next call."""
        if self._most is not None and len(self.known) > self._most:
            self._start_anew()
        numbers = self._numbers.of(texts)
        highest = numbers.max()
        if isinstance(highest, int) and highest >= len(self.known):
            new = self._read(self._numbers.texts(len(self.known), highest + 1))
            self.known = pl.concat([self.known, new], rechunk=True)
        return numbers


def text_index() -> CachedParser:
    """Texts of which nothing is read: ``text``, by number, for good."""
    return CachedParser(lambda texts: pl.DataFrame({"text": texts}), most=None)


GRADES = (1, 2, 3, 4)

_NAMED = ["analyte", "unit", "limit_unit"]
_KEY = [*_NAMED, "lln", "uln"]
_NEVER, _ALWAYS = 2**63 - 1, -(2**63)
_COMBINATION = {
    "first_test": pl.Int64, "tests": pl.Int64, "refused": pl.Int8, "one_by_one": pl.Boolean,
    "limit_unit_known": pl.Boolean, "unit_key": pl.Int32, "value_times": pl.Int64,
    "limit_times": pl.Int64,
    **dict.fromkeys(Combination._fields[-6:], pl.Int64),
}  # fmt: skip
_TEST = {
    "combination": pl.Int32, "term": pl.Int16,
    **dict.fromkeys(("own_group", "own_row", "full_group", "full_row"), pl.Int32),
}  # fmt: skip


class Spellings:
    """The spellings met so far, in two frames that rows look up by place.

    ``facts``, by spelling: the fields of ``Combination`` (``reason`` as ``refused``), ``lln`` and
    ``uln`` Int64 millionths (null: absent or not usable), the same times ``limit_times`` as
    ``lln_bound`` and ``uln_bound``, ``implausible_limit`` Boolean, ``limit_flags`` Int16, and
    ``begin``: where its ``tests`` do.

    ``tests``, by spelling and term: the fields of ``Test``; ``high``, ``highest``, ``clinical``,
    ``asks_baseline`` and ``term_flag`` of its term; ``no_uln``, ``no_lln``: which limits are
    missing; ``limit`` (the ULN of a high term, the LLN of a low one), and ``p1`` to ``p4`` and
    ``q1`` to ``q4`` Int64: by its own limits a plain value (negated for a low term) is certainly
    (p) or possibly (q) of at least that grade where it is larger.
    """

    def __init__(self, grader: TermGrader, units: UnitKeys) -> None:
        self._grader = grader
        self.tables = Tables(grader, units)
        self._combinations: dict[tuple[str | None, ...], int] = {}
        self._known = pl.DataFrame(schema={**dict.fromkeys(_KEY, pl.String), "place": pl.UInt32})
        self.facts = self.tests = pl.DataFrame()  # columns come with the first rows, were it none

    def look_up(self, rows: pl.DataFrame) -> pl.Series:
        """The place of each row's spelling in ``facts`` (UInt32).

        ``rows``: the String columns of ``COLUMNS``.
        """
        places = self._places(rows)
        if places.null_count() or not self._known.height:
            self._add(rows.filter(places.is_null()).select(_KEY).unique(maintain_order=True))
            places = self._places(rows)
        return places

    def _places(self, rows: pl.DataFrame) -> pl.Series:
        found = rows.select(_KEY).join(
            self._known, on=_KEY, how="left", nulls_equal=True, maintain_order="left"
        )
        return found["place"]

    def _add(self, new: pl.DataFrame) -> None:
        begin, first = len(self._known), len(self.tests)
        facts = self._read(new).with_columns(
            begin=pl.col("tests").cum_sum() - pl.col("tests") + first
        )
        places = pl.int_range(begin, begin + len(new), dtype=pl.UInt32, eager=True).alias("place")
        self._known = pl.concat([self._known, new.with_columns(places)])
        tests = self._tests(facts)
        self.facts = pl.concat([self.facts, facts]) if begin else facts
        self.tests = pl.concat([self.tests, tests]) if first else tests

    def _read(self, new: pl.DataFrame) -> pl.DataFrame:
        """The facts of new spellings: what their combination says, and their limits."""
        places = []
        for named in new.select(_NAMED).iter_rows():
            if named not in self._combinations:
                self._combinations[named] = len(self.tables.combinations)
                self.tables.add(*named)
            places.append(self._combinations[named])
        found = pl.DataFrame(self.tables.combinations, schema=_COMBINATION, orient="row")[
            pl.Series(places, dtype=pl.UInt32)
        ]
        lln, uln = read_column(new["lln"], read_limit), read_column(new["uln"], read_limit)
        return found.with_columns(
            lln=lln.scaled,
            uln=uln.scaled,
            unreadable_limit=lln.unreadable | uln.unreadable,
            one_by_one=found["one_by_one"] | lln.unscaled | uln.unscaled,
        ).pipe(_usable_limits)

    def _tests(self, facts: pl.DataFrame) -> pl.DataFrame:
        """The tests of new spellings, in their order, with what a plain value is held against."""
        terms = self._grader.edition.terms
        each = pl.int_ranges("first_test", pl.col("first_test") + pl.col("tests"))
        own = facts.select("lln", "uln", test=each).explode("test")
        tests = pl.DataFrame(self.tables.tests, schema=_TEST, orient="row")[own["test"]]
        of_term = pl.DataFrame(
            {
                "high": [term.direction == "high" for term in terms],
                "highest": [term.highest_numeric_grade for term in terms],
                "clinical": [term.has_clinical_grade_above for term in terms],
                "asks_baseline": [term.asks_baseline for term in terms],
                "term_flag": [FLAG_BITS[Flag(term.flag)] if term.flag else 0 for term in terms],
            },
            schema_overrides={"highest": pl.Int8, "term_flag": pl.Int16},
        )
        named = tests.drop("combination").hstack(of_term.select(pl.all().gather(tests["term"])))
        limit = pl.when(named["high"]).then(own["uln"]).otherwise(own["lln"])
        named = named.with_columns(
            limit=limit, no_uln=own["uln"].is_null(), no_lln=own["lln"].is_null()
        )
        simple = named.select(pl.when(pl.col("own_group") == 0).then("own_row")).to_series()
        numbers = self.tables.groups[0].frame().select(pl.all().gather(simple))
        return named.hstack(numbers.hstack(named.select("limit")).select(_thresholds()))


def _usable_limits(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop limits that cannot be used, and flag why; mark implausible ones."""
    lln, uln, known = pl.col("lln"), pl.col("uln"), pl.col("limit_unit_known")
    unusable = known & ((uln == 0) | (uln <= lln)).fill_null(False)
    kept = known & ~unusable
    flags = (
        flag_bit(Flag.UNREADABLE_LIMIT, pl.col("unreadable_limit"))
        | flag_bit(Flag.UNKNOWN_LIMIT_UNIT, ~known)
        | flag_bit(Flag.UNUSABLE_RANGE, unusable)
    )
    odd = pl.any_horizontal(
        kept & ~pl.col(side).is_between(f"{side}_low", f"{side}_high") for side in ("lln", "uln")
    )
    return frame.with_columns(
        limit_flags=flags,
        implausible_limit=odd.fill_null(False),
        lln=pl.when(kept).then(lln),
        uln=pl.when(kept).then(uln),
    ).with_columns(
        lln_bound=pl.col("lln") * pl.col("limit_times"),
        uln_bound=pl.col("uln") * pl.col("limit_times"),
    )


def _thresholds() -> list[pl.Expr]:
    """``a x value > b x limit + c`` solved for the value, per grade of the simple group.

    In whole numbers ``a x v > t`` is ``v > t // a``, and for a low term, whose a is negative,
    ``-v > t // -a``. A grade is reached too where a higher one is.
    """
    certain, possible = {}, {}
    for place, slot in enumerate(SIMPLE):
        a, b, c = (pl.col(f"{letter}{place}") for letter in "abc")
        bound = pl.when(b == 0).then(c).otherwise(b * pl.col("limit") + c) // a.abs()
        certain[slot.grade] = pl.when(a != 0).then(bound).fill_null(_NEVER)
        possible[slot.grade] = pl.when(a != 0).then(bound.fill_null(_ALWAYS)).fill_null(_NEVER)
    return [
        pl.min_horizontal(bounds[grade] for grade in GRADES if grade >= least).alias(
            f"{name}{least}"
        )
        for name, bounds in (("p", certain), ("q", possible))
        for least in GRADES
    ]
