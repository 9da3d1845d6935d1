"""Whether the results of an export can be graded: ``grading/normalize.py`` by column."""

import polars as pl

from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS, WHITE_SPACE
from toxgrade.grading.result import GRADED_STATUSES, Reason

_LESS, _LESS_OR_EQUAL, _MORE, _MORE_OR_EQUAL = 1, 2, 3, 4


def written(rows: pl.DataFrame) -> pl.DataFrame:
    """``COLUMNS`` of some rows as String."""
    return rows.select(pl.col(COLUMNS).cast(pl.String))


def is_declared(rows: pl.DataFrame) -> pl.Series:
    """Whether the sender calls a result a baseline (``baseline`` is Y)."""
    if rows["baseline"].null_count() == len(rows):
        return pl.repeat(False, len(rows), eager=True).alias("declared")
    text = pl.col("baseline").cast(pl.String).str.strip_chars(WHITE_SPACE).str.to_uppercase()
    return rows.select(declared=(text == "Y").fill_null(False)).to_series()


def normalize(cases: pl.DataFrame, implausible: Implausible) -> pl.DataFrame:
    """Judge whether a value in its spelling can be graded.

    ``cases``: the columns of ``Spellings.facts`` and of ``read_values``, and ``active`` and
    ``unreadable_date`` Boolean.

    Returns per case ``begin`` and ``tests`` (its tests in ``Spellings.tests``), ``value`` Int64
    millionths (null: absent or not usable), ``comparator`` Int8, ``unit_key`` of its unit,
    ``refused`` Int8 (the first thing that keeps the row from being graded; null: nothing),
    ``limit_flags`` Int16, ``valid`` Boolean (may be a baseline), ``one_by_one`` Boolean (for the
    plain grader instead), ``above_uln``, ``below_lln`` Boolean (null: unknown).
    """
    return cases.with_columns(_judged(implausible)).select(
        "begin", "tests", "unit_key", "value", "comparator", "limit_flags", "valid",
        "one_by_one", refused="reason", above_uln=_above_uln(), below_lln=_below_lln(),
    )  # fmt: skip


def is_active(rows: pl.DataFrame) -> pl.Series:
    """Whether the result is final, corrected or amended; without a status it is final."""
    if rows["status"].null_count() == len(rows):
        return pl.repeat(True, len(rows), eager=True).alias("active")
    status = pl.col("status").cast(pl.String).str.strip_chars(WHITE_SPACE).fill_null("")
    return rows.select(active=status.is_in([*GRADED_STATUSES, ""])).to_series()


def _judged(implausible: Implausible) -> list[pl.Expr]:
    """The reason that keeps a row from being graded, and whether it may be a baseline."""
    odd_value = ~pl.col("value").is_between("value_low", "value_high").fill_null(True)
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
        one_by_one |= odd_value | odd_limit
    else:
        reason = reason.when(odd_value).then(code(Reason.IMPLAUSIBLE_VALUE))
        reason = reason.when(odd_limit).then(code(Reason.IMPLAUSIBLE_LIMIT))
    return [reason.alias("reason"), valid.alias("valid"), one_by_one.alias("one_by_one")]


def _above_uln() -> pl.Expr:
    """Whether the value is above its own ULN, as ``NormalizedResult.beyond``; null: unknown."""
    value, bound, how = (
        pl.col("value") * pl.col("value_times"),
        pl.col("uln_bound"),
        pl.col("comparator"),
    )
    by_more = pl.when((value > bound) | ((value == bound) & (how == _MORE))).then(True)
    by_less = pl.when(value <= bound).then(False)
    above = pl.when(how == 0).then(value > bound).when(how <= _LESS_OR_EQUAL).then(by_less)
    return pl.when(~pl.col("implausible_limit") & bound.is_not_null()).then(
        above.otherwise(by_more)
    )


def _below_lln() -> pl.Expr:
    """Whether the value is below its own LLN."""
    value, bound, how = (
        pl.col("value") * pl.col("value_times"),
        pl.col("lln_bound"),
        pl.col("comparator"),
    )
    certain = (value < bound) | ((value == bound) & (how == _LESS))
    by_less = pl.when(certain).then(True).when(bound == 0).then(False)  # nothing lies below 0
    by_more = pl.when(value >= bound).then(False)
    below = pl.when(how == 0).then(value < bound).when(how <= _LESS_OR_EQUAL).then(by_less)
    return pl.when(~pl.col("implausible_limit") & bound.is_not_null()).then(
        below.otherwise(by_more)
    )
