"""Normalisation of the results of an export: ``grading/normalize.py`` by column."""

from collections.abc import Callable
from typing import get_args

import polars as pl

from toxgrade.grading.columns.interning import CachedParser
from toxgrade.grading.columns.limits import in_doubt, near, odd
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.output import flag_bit
from toxgrade.grading.columns.study_ranges import RANGE
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.indicators import Indicator, read_indicator
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS, WHITE_SPACE
from toxgrade.grading.result import GRADED_STATUSES, WITHDRAWN
from toxgrade.grading.specimens import SpecimenKind
from toxgrade.grading.units import Names

_LESS, _LESS_OR_EQUAL, _MORE, _MORE_OR_EQUAL = 1, 2, 3, 4
_SPECIMENS = get_args(SpecimenKind)
_VENOUS, _OTHER = 1, 2
_NORMAL, _HIGH, _LOW = 1, 2, 3
_INDICATORS: dict[Indicator | None, int] = {"normal": _NORMAL, "high": _HIGH, "low": _LOW}


def as_strings(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``COLUMNS`` of rows as String, and ``RANGE`` if they have it."""
    ranges = [RANGE] if RANGE in rows.columns else []
    return rows.select(pl.col(COLUMNS).cast(pl.String), *ranges)


def is_declared(rows: pl.DataFrame) -> pl.Series:
    """Return whether the sender declares each result a baseline (``baseline`` is Y or y)."""
    if rows["baseline"].null_count() == len(rows):
        return pl.repeat(False, len(rows), eager=True).alias("declared")
    text = pl.col("baseline").cast(pl.String).str.strip_chars(WHITE_SPACE).str.to_uppercase()
    return rows.select(declared=(text == "Y").fill_null(False)).to_series()


def normalize(cases: pl.DataFrame, implausible: Implausible) -> pl.DataFrame:
    """Return for each case whether it can be graded, or the first reason against it.

    ``cases`` has the columns of ``Spellings.facts``, ``read_values`` and ``Marks.of``.

    Returns per case ``begin`` and ``tests`` (its tests in ``Spellings.tests``), ``value`` Int64
    in ``SCALE`` (null: absent or not usable), ``comparator`` Int8, ``unit_key`` of its unit,
    ``refused`` Int8 (code of the first reason why it has no grade; null: none), ``limit_flags``
    Int32, ``valid`` Boolean (may be a baseline), ``one_by_one`` Boolean (the plain grader must
    grade it), ``indicator`` Int8 as ``Marks.of`` gives it (null also where it contradicts a limit),
    ``above_uln``, ``below_lln`` Boolean (null: unknown), and the same ``silent``, without it.
    """
    checked = cases.with_columns(
        *_checks(implausible), above_uln=_above_uln(), below_lln=_below_lln()
    ).with_columns(contradicts=_contradicts())
    noise = flag_bit(Flag.BINARY_NOISE, pl.col("noise"))
    contradicts = flag_bit(Flag.INDICATOR_CONTRADICTS, pl.col("contradicts"))
    says = pl.when(~pl.col("contradicts") & ~pl.col("implausible_limit")).then("indicator")
    return checked.select(
        "begin", "tests", "unit_key", "value", "comparator", "valid",
        # A flag narrows what ``<5`` may be.
        one_by_one=pl.col("one_by_one") | ((pl.col("comparator") != 0) & says.is_not_null()),
        refused="reason",
        limit_flags=pl.col("limit_flags") | noise | contradicts,
        indicator=pl.when(~pl.col("contradicts")).then("indicator"),
        above_uln=_or_said("above_uln", "uln_bound", says == _HIGH),
        below_lln=_or_said("below_lln", "lln_bound", says == _LOW),
        above_uln_silent="above_uln",
        below_lln_silent="below_lln",
    )  # fmt: skip


def _contradicts() -> pl.Expr:
    """Return whether a flag contradicts what the value and a limit of its own range say."""
    above = pl.col("above_uln") != (pl.col("indicator") == _HIGH)
    below = pl.col("below_lln") != (pl.col("indicator") == _LOW)
    return above.fill_null(False) | below.fill_null(False)


def _or_said(beyond: str, bound: str, said: pl.Expr) -> pl.Expr:
    """Return whether the value is beyond a limit; where nothing else tells, what the flag says."""
    return pl.when(pl.col(bound).is_null()).then(pl.coalesce(beyond, said)).otherwise(beyond)


def said_beyond() -> pl.Expr:
    """Return ``indicators.says_beyond`` of a test's own limit, where that is missing; else null."""
    beyond = pl.col("indicator") == pl.when("high").then(_HIGH).otherwise(_LOW)
    return pl.when(pl.col("limit").is_null()).then(beyond)


class Marks:
    """Reads what a row says beside its numbers; each text of a column once."""

    def __init__(self, names: Names) -> None:
        def specimen(text: str) -> int:
            return _SPECIMENS.index(names.specimen(text))

        self._specimens = _coded(specimen)
        self._indicators = _coded(lambda text: _INDICATORS.get(read_indicator(text)))

    def of(self, rows: pl.DataFrame, unreadable_date: pl.Series) -> pl.DataFrame:
        """Return each row's ``active``, ``unreadable_date`` Boolean, ``specimen``, ``indicator``.

        ``specimen`` Int8: 0 blood, 1 venous, 2 other. ``indicator`` Int8: 1 normal, 2 high, 3 low;
        null: it says nothing.
        """
        return pl.DataFrame(
            {
                "active": is_active(rows),
                "unreadable_date": unreadable_date,
                "specimen": _codes(rows["specimen"], self._specimens).fill_null(0),
                "indicator": _codes(rows["indicator"], self._indicators),
            }
        )


def _coded(code: Callable[[str], int | None]) -> CachedParser:
    """Return a parser that keeps the ``code`` of each text as Int8; null: none."""
    return CachedParser(
        lambda texts: pl.DataFrame({"code": map(code, texts)}, schema={"code": pl.Int8})
    )


def _codes(texts: pl.Series, parser: CachedParser) -> pl.Series:
    """Return the code of each text; null: no text or no code."""
    if texts.null_count() == len(texts):
        return pl.repeat(None, len(texts), dtype=pl.Int8, eager=True)
    numbers = parser.numbers(texts)
    return parser.known["code"].gather(numbers)


def is_withdrawn(rows: pl.DataFrame) -> pl.Series:
    """Return whether each result is a withdrawal."""
    return _statuses(rows).is_in(list(WITHDRAWN)).alias("withdrawn")


def is_active(rows: pl.DataFrame) -> pl.Series:
    """Return whether each result is final, corrected or amended; without a status it is final."""
    if rows["status"].null_count() == len(rows):
        return pl.repeat(True, len(rows), eager=True).alias("active")
    return _statuses(rows).is_in([*GRADED_STATUSES, ""]).alias("active")


def _statuses(rows: pl.DataFrame) -> pl.Series:
    return rows["status"].cast(pl.String).str.strip_chars(WHITE_SPACE).fill_null("")


def _checks(implausible: Implausible) -> list[pl.Expr]:
    """Return expressions for ``reason`` (why a row has no grade), ``valid`` and ``one_by_one``."""
    implausible_value = ~pl.col("value").is_between("value_low", "value_high").fill_null(True)
    below_zero = (pl.col("value") == 0) & (pl.col("comparator") == _LESS)
    at_an_end = near("value", "value_low") | near("value", "value_high")
    implausible_value = (implausible_value & ~at_an_end) | below_zero.fill_null(False)
    odd_limit, refused = pl.col("implausible_limit"), pl.col("refused")
    other_specimen = pl.col("specimen") == _OTHER

    def code(reason: Reason) -> pl.Expr:
        return pl.lit(REASON_CODES[reason], dtype=pl.Int8)

    reason = (
        pl.when(~pl.col("active"))
        .then(code(Reason.NOT_FINAL))
        .when(refused == REASON_CODES[Reason.UNKNOWN_ANALYTE])
        .then(refused)
        .when(other_specimen)
        .then(code(Reason.OTHER_SPECIMEN))
        .when("blank")
        .then(code(Reason.MISSING_VALUE))
        .when("unreadable")
        .then(code(Reason.UNREADABLE_VALUE))
        .when("unreadable_date")
        .then(code(Reason.UNREADABLE_DATE))
        .when(refused.is_not_null())
        .then(refused)
    )
    unusable = pl.col("blank") | pl.col("unreadable") | pl.col("unreadable_date") | other_specimen
    valid = pl.col("active") & ~unusable
    venous = pl.col("arterial") & (pl.col("specimen") == _VENOUS)
    in_doubt = at_an_end | _in_doubt("uln") | _in_doubt("lln")
    one_by_one = pl.col("one_by_one") | pl.col("unscaled") | venous | in_doubt
    if implausible == "flag":
        one_by_one |= implausible_value | odd_limit
    else:
        reason = reason.when(implausible_value).then(code(Reason.IMPLAUSIBLE_VALUE))
        reason = reason.when(odd_limit).then(code(Reason.IMPLAUSIBLE_LIMIT))
    return [reason.alias("reason"), valid.alias("valid"), one_by_one.alias("one_by_one")]


def _in_doubt(limit: str) -> pl.Expr:
    """Return whether the value may be on the other side of a limit of its own."""
    value_times, limit_times = pl.col("value_times"), pl.col("limit_times")
    radius = value_times * odd("value") + limit_times * odd(limit)
    return in_doubt(pl.col("value") * value_times, pl.col(f"{limit}_bound"), radius)


def _above_uln() -> pl.Expr:
    """Return whether the value is above its own ULN, as ``NormalizedResult.beyond`` does."""
    value, sign = pl.col("value") * pl.col("value_times"), pl.col("comparator")
    bound, ends = pl.col("uln_bound"), sign <= _LESS_OR_EQUAL
    by_more = pl.when((value > bound) | ((value == bound) & (sign == _MORE))).then(True)
    by_less = pl.when(value <= bound).then(False)
    above = pl.when(sign == 0).then(value > bound).when(ends).then(by_less).otherwise(by_more)
    within = pl.when(ends & (value == 0)).then(False)  # A ULN that was not sent is above 0.
    known = pl.when(bound.is_null()).then(within).otherwise(above)
    return pl.when(~pl.col("implausible_limit")).then(known)


def _below_lln() -> pl.Expr:
    """Return whether the value is below its own LLN, as ``NormalizedResult.beyond`` does."""
    value, sign = pl.col("value") * pl.col("value_times"), pl.col("comparator")
    bound, runs_down = pl.col("lln_bound"), sign.is_between(_LESS, _LESS_OR_EQUAL)
    certain = (value < bound) | ((value == bound) & (sign == _LESS))
    by_less = pl.when(certain).then(True).when(bound == 0).then(False)  # No value is below 0.
    by_more = pl.when(value >= bound).then(False)
    below = pl.when(sign == 0).then(value < bound).when(runs_down).then(by_less).otherwise(by_more)
    return pl.when(~pl.col("implausible_limit") & bound.is_not_null()).then(below)
