"""Spellings of an analyte with its units and limits: those that repeat are parsed only once."""

import polars as pl

from toxgrade.grading.columns.interning import look_up
from toxgrade.grading.columns.limits import near, odd
from toxgrade.grading.columns.lookup_tables import Combination, Tables
from toxgrade.grading.columns.output import FLAG_BITS, flag_bit
from toxgrade.grading.columns.parse import read_column
from toxgrade.grading.columns.slots import SIMPLE
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.units import UnitKeys

GRADES = (1, 2, 3, 4)

NAMED = ("analyte", "unit", "limit_unit")
"""The columns of which a combination is made."""
SPELLING = (*NAMED, "lln", "uln")
_NEVER, _ALWAYS = 2**63 - 1, -(2**63)
_COMBINATION = {
    "first_test": pl.Int64, "tests": pl.Int64, "refused": pl.Int8, "one_by_one": pl.Boolean,
    "arterial": pl.Boolean, "limit_unit_known": pl.Boolean, "unit_key": pl.Int32,
    "value_times": pl.Int64, "limit_times": pl.Int64,
    **dict.fromkeys(Combination._fields[-6:], pl.Int64),
}  # fmt: skip
_TEST = {
    "combination": pl.Int32, "term": pl.Int16,
    **dict.fromkeys(("own_group", "own_row", "full_group", "full_row"), pl.Int32),
}  # fmt: skip


class Spellings:
    """The spellings seen so far, in two frames from which rows look up by index.

    ``facts`` has one row per spelling: the fields of ``Combination`` (``reason`` as ``refused``),
    ``lln`` and ``uln`` Int64 in ``SCALE`` (null: absent or not usable), the same times
    ``limit_times`` as ``lln_bound`` and ``uln_bound``, ``implausible_limit`` Boolean,
    ``limit_flags`` Int32, and ``begin``, the index of the first of its ``tests``.

    ``tests`` has one row per spelling and term: the fields of ``Test``; ``high``, ``highest``,
    ``clinical``, ``has_baseline_condition`` and ``term_flag`` of its term; ``no_uln``, ``no_lln``
    (missing limits); ``limit`` (the ULN of a high term, the LLN of a low one); and thresholds
    ``p1`` to ``p4``, ``q1`` to ``q4`` Int64: by the limits of normal a value without comparator
    (negated for a low term) above it is certainly (p) or possibly (q) of at least that grade.
    """

    def __init__(self, grader: TermGrader, units: UnitKeys) -> None:
        self._grader = grader
        self.tables = Tables(grader, units)
        place = {"place": pl.UInt32}
        self._combinations = pl.DataFrame(schema=dict.fromkeys(NAMED, pl.UInt32) | place)
        self._known = pl.DataFrame(schema=dict.fromkeys(SPELLING, pl.UInt32) | place)
        self.facts = self.tests = pl.DataFrame()  # The first rows, even none, set the schema.

    def __len__(self) -> int:
        return len(self._known)

    def look_up(self, keys: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
        """Return the index of each row's spelling in ``facts`` (UInt32), adding new ones.

        ``keys`` are the numbers of the texts of ``SPELLING``, which ``rows`` have.
        """
        keys = keys.select(SPELLING)
        places, at = _numbered(keys, self._known)
        if len(at) or not len(self):
            facts, tests = self.read(keys[at], rows[at])
            facts = facts.with_columns(pl.col("begin") + len(self.tests))
            self._known = _longer(self._known, keys[at])
            self.facts = pl.concat([self.facts, facts]) if len(self.facts) else facts
            self.tests = pl.concat([self.tests, tests]) if len(self.tests) else tests
            places = look_up(keys, self._known)
        return places

    def read(self, keys: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return ``facts`` of spellings, one per row, whether or not they repeat, and their tests.

        ``keys`` are the numbers of the texts of ``NAMED``.
        """
        places = self._combination(keys.select(NAMED), rows)
        found = pl.DataFrame(self.tables.combinations, schema=_COMBINATION, orient="row")[places]
        lln, uln = (read_column(rows[side].cast(pl.String)) for side in ("lln", "uln"))
        facts = found.with_columns(
            lln=lln.scaled,
            uln=uln.scaled,
            unreadable_limit=lln.unreadable | uln.unreadable,
            limit_noise=lln.noise | uln.noise,
            one_by_one=found["one_by_one"] | lln.unscaled | uln.unscaled,
        ).pipe(_usable_limits)
        facts = facts.with_columns(begin=pl.col("tests").cum_sum() - pl.col("tests"))
        return facts, self._tests(facts)

    def _combination(self, keys: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
        places, at = _numbered(keys, self._combinations)
        if not len(at):
            return places
        for named in rows[at].select(pl.col(NAMED).cast(pl.String)).iter_rows():
            self.tables.add(*named)
        self._combinations = _longer(self._combinations, keys[at])
        return look_up(keys, self._combinations)

    def _tests(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Return the tests of new spellings, in their order, with their thresholds."""
        terms = self._grader.edition.terms
        each = pl.int_ranges("first_test", pl.col("first_test") + pl.col("tests"))
        own = facts.select("lln", "uln", test=each).explode("test")
        tests = pl.DataFrame(self.tables.tests, schema=_TEST, orient="row")[own["test"]]
        of_term = pl.DataFrame(
            {
                "high": [term.direction == "high" for term in terms],
                "highest": [term.highest_numeric_grade for term in terms],
                "clinical": [term.has_clinical_grade_above for term in terms],
                "has_baseline_condition": [term.has_baseline_condition for term in terms],
                "term_flag": [FLAG_BITS[Flag(term.flag)] if term.flag else 0 for term in terms],
            },
            schema_overrides={"highest": pl.Int8, "term_flag": pl.Int32},
        )
        named = tests.drop("combination").hstack(of_term.select(pl.all().gather(tests["term"])))
        limit = pl.when(named["high"]).then(own["uln"]).otherwise(own["lln"])
        named = named.with_columns(
            limit=limit,
            no_uln=own["uln"].is_null(),
            no_lln=own["lln"].is_null(),
        )
        simple = named.select(pl.when(pl.col("own_group") == 0).then("own_row")).to_series()
        numbers = self.tables.groups[0].frame().select(pl.all().gather(simple))
        return named.hstack(numbers.hstack(named.select("limit")).select(_thresholds()))


def _numbered(keys: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return the place of each key in ``known`` (null: new), and a row of each new one."""
    places = look_up(keys, known)
    new = keys.with_row_index("at").filter(places.is_null())
    return places, new.unique(keys.columns, keep="first", maintain_order=True)["at"]


def _longer(known: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    places = pl.int_range(len(known), len(known) + len(new), dtype=pl.UInt32, eager=True)
    return pl.concat([known, new.with_columns(place=places)])


def _usable_limits(frame: pl.DataFrame) -> pl.DataFrame:
    """Set limits that cannot be used to null, flag why, and mark implausible ones."""
    lln, uln, known = pl.col("lln"), pl.col("uln"), pl.col("limit_unit_known")
    unusable = known & ((uln == 0) | (uln <= lln)).fill_null(False)
    usable = known & ~unusable
    flags = (
        flag_bit(Flag.UNREADABLE_LIMIT, pl.col("unreadable_limit"))
        | flag_bit(Flag.UNKNOWN_LIMIT_UNIT, ~known)
        | flag_bit(Flag.UNUSABLE_RANGE, unusable)
        | flag_bit(Flag.BINARY_NOISE, pl.col("limit_noise"))
    )
    implausible = pl.any_horizontal(
        usable & ~pl.col(side).is_between(f"{side}_low", f"{side}_high") for side in ("lln", "uln")
    )
    at_an_end = (near(side, f"{side}_{end}") for side in ("lln", "uln") for end in ("low", "high"))
    in_doubt = known & (pl.any_horizontal(at_an_end) | ((uln == lln) & (odd("uln") == 1)))
    return frame.with_columns(
        limit_flags=flags,
        implausible_limit=implausible.fill_null(False),
        one_by_one=pl.col("one_by_one") | in_doubt.fill_null(False),
        lln=pl.when(usable).then(lln),
        uln=pl.when(usable).then(uln),
    ).with_columns(
        lln_bound=pl.col("lln") * pl.col("limit_times"),
        uln_bound=pl.col("uln") * pl.col("limit_times"),
    )


def _thresholds() -> list[pl.Expr]:
    """Return ``a x value > b x limit + c`` solved for the value, per grade of the simple group.

    In whole numbers ``a x v > t`` is ``v > t // a``, and for a low term, whose a is negative,
    ``-v > t // -a``. A value that reaches a grade reaches the lower ones too.
    """
    certain, possible = {}, {}
    for place, slot in enumerate(SIMPLE):
        a, b, c = (pl.col(f"{letter}{place}") for letter in "abc")
        bound = pl.when(b == 0).then(c).otherwise(b * pl.col("limit") + c) // a.abs()
        nearest = pl.when(a > 0).then(c // a.abs())  # A ULN that was not sent is above 0.
        reachable = pl.coalesce(bound, nearest, pl.lit(_ALWAYS))
        certain[slot.grade] = pl.when(a != 0).then(bound).fill_null(_NEVER)
        possible[slot.grade] = pl.when(a != 0).then(reachable).fill_null(_NEVER)
    return [
        pl.min_horizontal(bounds[grade] for grade in GRADES if grade >= least).alias(
            f"{name}{least}"
        )
        for name, bounds in (("p", certain), ("q", possible))
        for least in GRADES
    ]
