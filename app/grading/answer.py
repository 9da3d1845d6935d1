"""The last step of ``many.py``: integers turned back into what callers see."""

from collections.abc import Sequence
from functools import cache

import polars as pl

from app.criteria.model import Term
from app.grading.patient import OLD_BASELINE
from app.grading.phase import PHASES
from app.grading.result import Flag, Reason
from app.grading.spellings import FLAG_BITS, flag_bit
from app.grading.tables import REASON_CODES

_GRADES = 6  # 0 to 5


def answer(tests: pl.DataFrame, terms: Sequence[Term]) -> pl.DataFrame:
    """Name the term, reason, flags and criterion of every test; compare it with its baseline."""
    phase = (
        pl.when(pl.col("row") == pl.col("b_row"))
        .then(pl.lit("baseline", dtype=PHASES))
        .when("before_start")
        .then(pl.lit("pre_treatment", dtype=PHASES))
        .otherwise("phase")
    )
    least, most = pl.col("at_least"), pl.col("at_most")
    base_least, base_most = pl.col("b_at_least"), pl.col("b_at_most")
    named = tests.with_columns(
        phase=phase,
        grade=pl.when(least == most).then(least),
        on_treatment=pl.when("before_start").then(pl.lit(False)).otherwise("on_treatment"),
        baseline_grade=pl.when(base_least == base_most).then(base_least),
        worse_than_baseline=pl.when(least > base_most)
        .then(pl.lit(True))
        .when(most <= base_least)
        .then(pl.lit(False)),
    ).with_columns(flags=_flags())
    place = named["term"].fill_null(len(terms))
    criterion = place * _GRADES + named["grade"].fill_null(0)
    return named.select(
        "row",
        _term_names(terms).gather(place).alias("term"),
        "grade",
        "at_least",
        "at_most",
        _texts([reason.value for reason in Reason]).gather(named["reason"]).alias("reason"),
        _flag_texts().gather(named["flags"]).alias("flags"),
        _criteria(terms).gather(criterion).alias("criterion"),
        "phase",
        "on_treatment",
        "days_from_end",
        "baseline_grade",
        "worse_than_baseline",
        "who",
        "last",
    )


def _flags() -> pl.Expr:
    """All flag bits of a test: of its limits, its grade, its place in time."""
    graded = pl.col("refused").is_null()
    measured = graded | (pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT])
    beyond = pl.when("high").then("above_uln").otherwise("below_lln")
    within = (~beyond).fill_null(False)
    of_grade = (
        pl.when(measured)
        .then(pl.col("limit_flags") | pl.col("term_flag"))
        .otherwise(pl.lit(0, dtype=pl.Int16))
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
    old = (pl.col("rt_start") - pl.col("last")) > OLD_BASELINE
    return (
        pl.col("plain_flags").fill_null(of_grade)
        | flag_bit(Flag.OLD_BASELINE, (pl.col("phase") == "baseline") & old)
        | flag_bit(Flag.NO_RADIOTHERAPY_END, pl.col("no_radiotherapy_end"))
    )


def _texts(texts: Sequence[str | None]) -> pl.Series:
    """Texts to look up by their place: an Enum, which costs a row one or two bytes."""
    kinds = pl.Enum(list(dict.fromkeys(text for text in texts if text is not None)))
    return pl.Series(texts, dtype=kinds)


def _term_names(terms: Sequence[Term]) -> pl.Series:
    """The terms by their place, and after them null: an analyte that is not graded."""
    return _texts([*(term.name for term in terms), None])


def _criteria(terms: Sequence[Term]) -> pl.Series:
    """NCI's wording by term and grade; null for grade 0."""
    says = [term.says(grade) for term in terms for grade in range(_GRADES)]
    return _texts([*says, *[None] * _GRADES])


@cache
def _flag_texts() -> pl.Series:
    """Every combination of flags as text, by its bits."""
    texts = [""]
    for flag in FLAG_BITS:  # by doubling: 1 ms for all 2,048
        texts += [f"{text} {flag.value}".lstrip() for text in texts]
    return _texts(texts)
