"""Normalisation of the results of an export: ``grading/normalize.py`` by column."""

import polars as pl

from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS, WHITE_SPACE
from toxgrade.grading.result import GRADED_STATUSES, Reason

_LESS, _LESS_OR_EQUAL, _MORE, _MORE_OR_EQUAL = 1, 2, 3, 4


def as_strings(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``COLUMNS`` of rows as String."""
    return rows.select(pl.col(COLUMNS).cast(pl.String))


def is_declared(rows: pl.DataFrame) -> pl.Series:
    """Return whether the sender declares each result a baseline (``baseline`` is Y or y)."""
    if rows["baseline"].null_count() == len(rows):
        return pl.repeat(False, len(rows), eager=True).alias("declared")
    text = pl.col("baseline").cast(pl.String).str.strip_chars(WHITE_SPACE).str.to_uppercase()
    return rows.select(declared=(text == "Y").fill_null(False)).to_series()


def normalize(cases: pl.DataFrame, implausible: Implausible) -> pl.DataFrame:
    """Return for each case whether it can be graded, or the first reason against it.

    ``cases`` has the columns of ``Spellings.facts`` and of ``read_values``, and ``active`` and
    ``unreadable_date`` Boolean.

    Returns per case ``begin`` and ``tests`` (its tests in ``Spellings.tests``), ``value`` Int64
    millionths (null: absent or not usable), ``comparator`` Int8, ``unit_key`` of its unit,
    ``refused`` Int8 (code of the first reason why it has no grade; null: none), ``limit_flags``
    Int16, ``valid`` Boolean (may be a baseline), ``one_by_one`` Boolean (the plain grader must
    grade it), ``above_uln``, ``below_lln`` Boolean (null: unknown).
    """
    return cases.with_columns(_checks(implausible)).select(
        "begin", "tests", "unit_key", "value", "comparator", "limit_flags", "valid",
        "one_by_one", refused="reason", above_uln=_above_uln(), below_lln=_below_lln(),
    )  # fmt: skip


def is_active(rows: pl.DataFrame) -> pl.Series:
    """Return whether each result is final, corrected or amended; without a status it is final."""
    if rows["status"].null_count() == len(rows):
        return pl.repeat(True, len(rows), eager=True).alias("active")
    status = pl.col("status").cast(pl.String).str.strip_chars(WHITE_SPACE).fill_null("")
    return rows.select(active=status.is_in([*GRADED_STATUSES, ""])).to_series()


def _checks(implausible: Implausible) -> list[pl.Expr]:
    """Return expressions for ``reason`` (why a row has no grade), ``valid`` and ``one_by_one``."""
    implausible_value = ~pl.col("value").is_between("value_low", "value_high").fill_null(True)
    odd_limit, refused = pl.col("implausible_limit"), pl.col("refused")

    def code(reason: Reason) -> pl.Expr:
        return pl.lit(REASON_CODES[reason], dtype=pl.Int8)

    reason = (
        pl.when(~pl.col("active"))
        .then(code(Reason.NOT_FINAL))
        .when(refused == REASON_CODES[Reason.UNKNOWN_ANALYTE])
        .then(refused)
        .when("blank")
        .then(code(Reason.MISSING_VALUE))
        .when("unreadable")
        .then(code(Reason.UNREADABLE_VALUE))
        .when("unreadable_date")
        .then(code(Reason.UNREADABLE_DATE))
        .when(refused.is_not_null())
        .then(refused)
    )
    valid = pl.col("active") & ~(pl.col("blank") | pl.col("unreadable") | pl.col("unreadable_date"))
    one_by_one = pl.col("one_by_one") | pl.col("unscaled")
    if implausible == "flag":
        one_by_one |= implausible_value | odd_limit
    else:
        reason = reason.when(implausible_value).then(code(Reason.IMPLAUSIBLE_VALUE))
        reason = reason.when(odd_limit).then(code(Reason.IMPLAUSIBLE_LIMIT))
    return [reason.alias("reason"), valid.alias("valid"), one_by_one.alias("one_by_one")]


def _above_uln() -> pl.Expr:
    """Return whether the value is above its own ULN, as ``NormalizedResult.beyond`` does."""
    value, bound, sign = (
        pl.col("value") * pl.col("value_times"),
        pl.col("uln_bound"),
        pl.col("comparator"),
    )
    by_more = pl.when((value > bound) | ((value == bound) & (sign == _MORE))).then(True)
    by_less = pl.when(value <= bound).then(False)
    above = pl.when(sign == 0).then(value > bound).when(sign <= _LESS_OR_EQUAL).then(by_less)
    return pl.when(~pl.col("implausible_limit") & bound.is_not_null()).then(
        above.otherwise(by_more)
    )


def _below_lln() -> pl.Expr:
    """Return whether the value is below its own LLN, as ``NormalizedResult.beyond`` does."""
    value, bound, sign = (
        pl.col("value") * pl.col("value_times"),
        pl.col("lln_bound"),
        pl.col("comparator"),
    )
    certain = (value < bound) | ((value == bound) & (sign == _LESS))
    by_less = pl.when(certain).then(True).when(bound == 0).then(False)  # No value is below 0.
    by_more = pl.when(value >= bound).then(False)
    below = pl.when(sign == 0).then(value < bound).when(sign <= _LESS_OR_EQUAL).then(by_less)
    return pl.when(~pl.col("implausible_limit") & bound.is_not_null()).then(
        below.otherwise(by_more)
    )
