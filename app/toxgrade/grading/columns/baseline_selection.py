"""The choice of baselines among candidates: ``grading/baseline_selection.py`` on columns.

Whatever is decided there by exact fractions or by texts is decided here by them too, but only
between candidates that are still tied.
"""

from collections.abc import Callable
from fractions import Fraction

import polars as pl

from toxgrade.grading.baseline_selection import MOST_CHOICES, UPWARDS
from toxgrade.grading.columns.parse import COMPARATORS

KEY = "key"
"""The column of one number for a course and a term: course x number of terms + term."""

Canonical = Callable[[pl.DataFrame], list[Fraction]]
"""A function that returns each candidate's number in the analyte's canonical unit."""

Written = Callable[[pl.Series], list[tuple[str, ...]]]
"""A function that returns what ``as_written`` of the plain grader does, of each case."""

_UPWARDS = [UPWARDS.index(sign) for sign in COMPARATORS]
_TEXTS = ["collected", "source_id", "sent", "identity", "b_row"]
"""The columns that decide between candidates that are equal in all that a grade depends on."""
_ALONE = pl.len().over(KEY) == 1


def no_candidates() -> pl.DataFrame:
    """Return an empty frame with the columns of candidates.

    ``number``: in ``SCALE`` and the reported unit; 0 where that is unknown, null where it does not
    fit: then it is parsed from its text, as where two odd ones are equal. ``case``: its number in
    ``Cases``; those of one case are written alike. ``sent``: a number for status, specimen,
    indicator and laboratory as they were sent. ``identity``: what tells rows apart that differ in
    no column that is graded (null: their places, ``b_row``, do).
    """
    return pl.DataFrame(
        schema={
            KEY: pl.Int64, "carried": pl.Boolean, "declared": pl.Boolean,
            "time": pl.Time, "high": pl.Boolean,
            "day": pl.Date, "worst": pl.Int32, "number": pl.Int64, "case": pl.Int64,
            "b_row": pl.Int64,
            "b_at_least": pl.Int8, "b_at_most": pl.Int8, "b_one_by_one": pl.Boolean,
            "baseline": pl.Int64, "baseline_comparator": pl.Int8, "baseline_unit": pl.Int32,
            "baseline_above_uln": pl.Boolean, "baseline_below_lln": pl.Boolean,
            "baseline_above_uln_silent": pl.Boolean, "baseline_below_lln_silent": pl.Boolean,
            "collected": pl.String, "source_id": pl.String, "sent": pl.UInt32,
            "identity": pl.Int64,
        }
    )  # fmt: skip


def own_ones(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return the candidates of each course's own; those of other courses only where it has none."""
    if not candidates["carried"].any():
        return candidates
    return candidates.filter(~pl.col("carried") | pl.col("carried").all().over(KEY))


def last_days(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return candidates of the last day, and declared ones of the last day with a declared one."""
    candidates = own_ones(candidates)
    day = pl.col("day")
    last = day == day.max().over(KEY)
    if candidates["declared"].any():
        last |= pl.col("declared") & (day == day.filter("declared").max().over(KEY))
    return candidates.filter(last)


def last_ones(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return those of each patient and term that may be the baseline: up to step 3 of ``choose``
    of plain grading.
    """
    last = candidates
    # Each step is a fifth of the work, and most exports need only three.
    if last["declared"].any():
        last = _highest(last, pl.col("declared"))
    last = _highest(last, pl.col("day"))
    if last["time"].count():
        all_timed = pl.col("time").is_not_null().all().over(KEY)
        last = _highest(last, pl.when(all_timed).then("time"))
    return last


def choose(last: pl.DataFrame, canonical: Canonical, written: Written) -> pl.DataFrame:
    """Return one row per patient and term of ``last_ones``, by ``KEY``, as plain grading does."""
    last = _highest(last, pl.col("worst"))
    alone = last.select(_ALONE).to_series()
    chosen = _first_written(_worst_numbers(last.filter(~alone), canonical), written)
    return pl.concat([last.filter(alone), chosen]).sort(KEY)


def other_choices(last: pl.DataFrame, chosen: pl.DataFrame, written: Written) -> pl.DataFrame:
    """Return what may be the baseline instead of the chosen one: ``Choice.possible`` but the first.

    A row that has nothing but its ``KEY`` stands for any baseline.
    """
    different = last.filter(~last.select(_ALONE).to_series())
    if different["time"].count():
        own_row = different["b_row"].is_in(chosen["b_row"].implode())
        latest = pl.col("time") == pl.col("time").max().over(KEY)
        different = different.filter(own_row | pl.col("time").is_null() | latest)
    different = different.unique([KEY, "case"])
    different = different.filter(~different.select(_ALONE).to_series())
    if not len(different):
        return different
    texts = written(different["case"])
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    content = pl.Series([numbers[text] for text in texts], dtype=pl.Int64)
    different = different.with_columns(content.alias("content"))
    own = chosen.join(different, on=[KEY, "case"]).select(KEY, "content")
    others = different.join(own, on=[KEY, "content"], how="anti").unique([KEY, "content"])
    others = others.drop("content").sort(KEY)
    many = others.filter(pl.len().over(KEY) >= MOST_CHOICES)[KEY].unique()
    few = others.filter(~pl.col(KEY).is_in(many.implode()))
    return pl.concat([few, many.to_frame()], how="diagonal")


def _worst_numbers(candidates: pl.DataFrame, canonical: Canonical) -> pl.DataFrame:
    """Return each key's candidates of the worst number, and among these of the worst comparator."""
    toxic = pl.when("high").then("number").otherwise(-pl.col("number"))
    worst_of_unit = toxic == toxic.max().over(KEY, "baseline_unit")
    left = candidates.filter(worst_of_unit | pl.col("number").is_null())
    one_unit = pl.col("baseline_unit").eq_missing(pl.col("baseline_unit").first()).all()
    told_apart = (pl.len() == 1) | (pl.col("number") % 2 == 0).fill_null(False).all()
    in_columns = left.select((one_unit & told_apart).over(KEY))
    exactly = left.filter(~in_columns.to_series())
    left = pl.concat([left.filter(in_columns.to_series()), _worst(exactly, canonical)])
    upwards = pl.col("baseline_comparator").replace_strict(dict(enumerate(_UPWARDS)))
    return _highest(left, pl.when("high").then(upwards).otherwise(-upwards))


def _first_written(candidates: pl.DataFrame, written: Written) -> pl.DataFrame:
    """Return each key's first candidate by what is written: by its case, else by ``_TEXTS``."""
    one_case = (pl.col("case") == pl.col("case").first()).all().over(KEY)
    alike = candidates.select(one_case).to_series()
    first: dict[int, tuple[str, ...]] = {}
    otherwise = candidates.filter(~alike)
    texts = written(otherwise["case"])
    for key, text in zip(otherwise[KEY], texts, strict=True):
        first[key] = min(text, first.get(key, text))
    chosen = [text == first[key] for key, text in zip(otherwise[KEY], texts, strict=True)]
    left = [candidates.filter(alike), otherwise.filter(pl.Series(chosen, dtype=pl.Boolean))]
    return pl.concat(left).sort(KEY, *_TEXTS).unique(KEY, keep="first", maintain_order=True)


def _highest(candidates: pl.DataFrame, rank: pl.Expr) -> pl.DataFrame:
    """Return rows where ``rank`` is the highest of their key; all where it is null for all."""
    return candidates.filter(rank.eq_missing(rank.max().over(KEY)))


def _worst(candidates: pl.DataFrame, canonical: Canonical) -> pl.DataFrame:
    """Return each key's candidates of the worst number, compared one by one as exact fractions."""
    numbers = canonical(candidates)
    signs = candidates["high"].replace_strict({True: 1, False: -1}, return_dtype=pl.Int8)
    worst: dict[int, Fraction] = {}
    ranks = [number * sign for number, sign in zip(numbers, signs, strict=True)]
    for key, rank in zip(candidates[KEY], ranks, strict=True):
        worst[key] = max(rank, worst.get(key, rank))
    chosen = [rank == worst[key] for key, rank in zip(candidates[KEY], ranks, strict=True)]
    return candidates.filter(pl.Series(chosen, dtype=pl.Boolean))


def declared_otherwise(
    candidates: pl.DataFrame, chosen: pl.DataFrame, canonical: Canonical, written: Written
) -> pl.DataFrame:
    """Return rows chosen (``declared``) and rows by the date rule (``by_date``) that differ."""
    if not candidates["declared"].any():
        return pl.DataFrame(schema={"declared": pl.Int64, "by_date": pl.Int64})
    undated = pl.col("declared").fill_null(False) & (pl.col("day") == pl.date(1, 1, 1))
    dated = candidates.filter(~undated).with_columns(declared=pl.lit(False))
    by_date = choose(last_ones(dated), canonical, written)
    both = chosen.join(by_date, on=KEY, suffix="_by_date")
    other = both.filter(pl.col("b_row") != pl.col("b_row_by_date"))
    return other.select(declared="b_row", by_date="b_row_by_date").sort("declared")
