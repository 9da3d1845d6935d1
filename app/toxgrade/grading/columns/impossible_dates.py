"""Dates that cannot be, by column: ``grading/impossible_dates.py`` for many rows."""

import polars as pl

from toxgrade.grading.columns.normalize import is_withdrawn
from toxgrade.grading.columns.output import flag_bit
from toxgrade.grading.flags import Flag
from toxgrade.grading.impossible_dates import DECADES


def likely_days() -> list[pl.Expr]:
    """Return ``likely_from`` and ``likely_until``, which each patient needs once, by the course.

    They are null where the course has no date.
    """
    first, last = pl.min_horizontal("rt_start", "rt_end"), pl.max_horizontal("rt_start", "rt_end")
    return [(first - DECADES).alias("likely_from"), (last + DECADES).alias("likely_until")]


def far_from_treatment(read: pl.DataFrame, courses: pl.DataFrame, most: int) -> pl.Series | None:
    """Return ``is_far_from_treatment`` of rows with ``first``, ``last`` and ``who``; None: of none.

    ``courses``: ``most`` of each patient, by number, with ``likely_days``; the strictest of them
    show that no row of a usual piece is far from any course.
    """
    earliest, latest = courses["likely_from"].max(), courses["likely_until"].min()
    if latest is None or not len(read):
        return None
    if not ((read["first"] > latest).any() or (read["last"] < earliest).any()):
        return None
    first, far = read["who"].cast(pl.Int64) * most, list[pl.Series]()
    for place in range(most):
        own = courses.select("likely_from", "likely_until")[first + place]
        far.append((read["first"] > own["likely_until"]) | (read["last"] < own["likely_from"]))
    beyond = pl.DataFrame({str(place): one for place, one in enumerate(far)})
    every, some = pl.all_horizontal(pl.all().fill_null(True)), pl.any_horizontal(pl.all())
    return beyond.select((every & some.fill_null(False)).alias("far")).to_series()


def flag_unlikely(tests: pl.DataFrame, far: pl.Series) -> pl.DataFrame:
    """Return graded tests with the flag where they are ``far``; there ``last`` is null."""
    return tests.with_columns(
        pl.col("flags") | flag_bit(Flag.UNLIKELY_DATE, pl.lit(far)),
        pl.when(~pl.lit(far)).then("last").alias("last"),
    )


def after_death(rows: pl.DataFrame, read: pl.DataFrame, died: pl.Series) -> pl.Series | None:
    """Return ``is_after_death`` of rows; None: of no patient the day of death is known.

    ``rows`` has ``status``, ``read`` has ``first`` and ``who``; ``died`` is by patient's number.
    """
    if not died.count():
        return None
    return (read["first"] > died.gather(read["who"])).fill_null(False) & ~is_withdrawn(rows)
