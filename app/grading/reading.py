"""A frame of reported rows read into columns of numbers: the first steps of ``many.py``."""

import polars as pl

from app.grading.dates import collected_columns
from app.grading.one import Grader
from app.grading.result import GRADED_STATUSES, Flag, Reason
from app.grading.rules import Implausible
from app.grading.tables import REASON_CODES, Combination, Tables
from app.grading.values import read_column, read_limit, read_value

FLAG_BITS = {flag: 1 << place for place, flag in enumerate(Flag)}
_SPELLING = ["analyte", "unit", "limit_unit"]
_WHITE_SPACE = " \t\r\n"


def flag_bit(flag: Flag, when: pl.Expr) -> pl.Expr:
    """The flag's bit where ``when`` is true, else 0."""
    bit = pl.lit(FLAG_BITS[flag], dtype=pl.Int16)
    return pl.when(when).then(bit).otherwise(pl.lit(0, dtype=pl.Int16))


def read_rows(rows: pl.DataFrame, grader: Grader) -> tuple[pl.DataFrame, Tables]:
    """Read every reported text; one row out per row in, and the tables that their tests look up.

    ``rows``: the String columns of ``many.COLUMNS``.

    Out, beside each row's ``Combination``: ``row`` Int64, ``patient`` String, ``value``, ``lln``,
    ``uln`` Int64 millionths (null: absent or not usable), ``comparator`` Int8, ``first`` and
    ``last`` Date, ``time`` Time, ``declared`` Boolean (its sender calls it a baseline), ``reason``
    Int8 (the first thing that keeps the row from being graded; null: nothing), ``flags`` Int16,
    ``valid`` Boolean (may be a baseline), ``one_by_one`` Boolean (for the plain grader instead).
    """
    frame, tables = _combinations(rows, grader)
    value = read_column(rows["value"], read_value)
    lln, uln = read_column(rows["lln"], read_limit), read_column(rows["uln"], read_limit)
    status = pl.col("status").str.strip_chars(_WHITE_SPACE).fill_null("")
    declared = pl.col("baseline").str.strip_chars(_WHITE_SPACE).str.to_uppercase() == "Y"
    frame = frame.with_columns(
        *rows.select(
            "patient",
            blank=(pl.col("value").str.strip_chars(_WHITE_SPACE) == "").fill_null(True),
            active=status.is_in([*GRADED_STATUSES, ""]),
            declared=declared.fill_null(False),
        ),
        *collected_columns(rows["collected"]),
        row=pl.int_range(pl.len(), dtype=pl.Int64),
        value=value.scaled,
        comparator=value.comparator,
        unreadable=value.unreadable,
        lln=lln.scaled,
        uln=uln.scaled,
        unreadable_limit=lln.unreadable | uln.unreadable,
        one_by_one=pl.col("one_by_one") | value.unscaled | lln.unscaled | uln.unscaled,
    )
    frame = _usable_limits(frame)
    return frame.with_columns(_judged(grader.implausible)), tables


def _combinations(rows: pl.DataFrame, grader: Grader) -> tuple[pl.DataFrame, Tables]:
    """Each row's combination of analyte, unit and limit unit, looked up once per spelling."""
    tables = Tables(grader)
    distinct = rows.select(_SPELLING).unique(maintain_order=True)
    for spelling in distinct.iter_rows():
        tables.add(*spelling)
    found = pl.DataFrame(
        tables.combinations,
        schema={
            "first_test": pl.Int64,
            "tests": pl.Int64,
            "refused": pl.Int8,
            "one_by_one": pl.Boolean,
            "limit_unit_known": pl.Boolean,
            "unit": pl.String,
            "value_times": pl.Int64,
            "limit_times": pl.Int64,
            "canonical": pl.Float64,
            **dict.fromkeys(Combination._fields[-6:], pl.Int64),
        },
        orient="row",
    )
    keyed = pl.concat([distinct, found.rename({"unit": "unit_name"})], how="horizontal")
    joined = rows.select(_SPELLING).join(
        keyed, on=_SPELLING, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.drop(_SPELLING), tables


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
        flags=flags,
        implausible_limit=odd.fill_null(False),
        lln=pl.when(kept).then(lln),
        uln=pl.when(kept).then(uln),
    )


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
    valid = pl.col("active") & ~pl.col("blank") & ~pl.col("unreadable") & ~pl.col("unreadable_date")
    if implausible == "flag":
        return [
            reason.alias("reason"),
            valid.alias("valid"),
            (pl.col("one_by_one") | odd_value | odd_limit).alias("one_by_one"),
        ]
    reason = reason.when(odd_value).then(code(Reason.IMPLAUSIBLE_VALUE))
    reason = reason.when(odd_limit).then(code(Reason.IMPLAUSIBLE_LIMIT))
    return [reason.alias("reason"), valid.alias("valid")]
