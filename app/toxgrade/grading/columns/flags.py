"""Flags as bits, which is how columns hold them; and back to the texts that callers see."""

from functools import cache

import polars as pl

from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.result import Flag, Reason

FLAG_BITS = {flag: 1 << place for place, flag in enumerate(Flag)}


def flag_bit(flag: Flag, when: pl.Expr) -> pl.Expr:
    """The flag's bit where ``when`` is true, else 0."""
    bit = pl.lit(FLAG_BITS[flag], dtype=pl.Int16)
    return pl.when(when).then(bit).otherwise(pl.lit(0, dtype=pl.Int16))


def flags_of_grade() -> pl.Expr:
    """The flag bits that a graded test has, whenever it was taken: of its limits and its grade.

    Reads ``refused``, ``limit_flags``, ``above_uln``, ``below_lln``, ``at_least``, ``at_most`` and,
    of its term, ``high``, ``highest``, ``clinical``, ``asks_baseline`` and ``term_flag``.
    """
    graded = pl.col("refused").is_null()
    measured = graded | (pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT])
    beyond = pl.when("high").then("above_uln").otherwise("below_lln")
    within = (~beyond).fill_null(False)
    of_limits = pl.when(measured).then(pl.col("limit_flags") | pl.col("term_flag"))
    return (
        of_limits.otherwise(pl.lit(0, dtype=pl.Int16))
        | flag_bit(Flag.WITHIN_REFERENCE_RANGE, graded & (pl.col("at_least") > 0) & within)
        | flag_bit(
            Flag.ABNORMAL_NOT_GRADED,
            graded & pl.col("asks_baseline") & (pl.col("at_most") == 0) & beyond.fill_null(False),
        )
        | flag_bit(
            Flag.CLINICAL_GRADE_POSSIBLE,
            pl.col("clinical") & (pl.col("at_most") == pl.col("highest")),
        )
    )


@cache
def flag_texts() -> tuple[str, ...]:
    """Every combination of flags as text, joined by a space, by its bits."""
    texts = [""]
    for flag in FLAG_BITS:  # by doubling: 1 ms for all 4,096
        texts += [f"{text} {flag.value}".lstrip() for text in texts]
    return tuple(texts)
