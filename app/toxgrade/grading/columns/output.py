"""The output of the column grader: codes and flag bits turned into the texts that callers see."""

from collections.abc import Sequence
from functools import cache

import polars as pl

from toxgrade.criteria.model import Term
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.phase import PHASE_TYPE
from toxgrade.grading.fields import FILE_COLUMNS, IN_BATCHES, Field
from toxgrade.grading.flags import STORED_FLAGS, Flag, Reason

_NOT_OF_GRADING = (*STORED_FLAGS, Flag.FILLED_DOWN)
FLAG_BITS = {
    flag: 1 << place
    for place, flag in enumerate(flag for flag in Flag if flag not in _NOT_OF_GRADING)
}
FOR_COUNTING = ("who", "course", "last", "unplaced", "may_be_acute", "may_be_late", "after_start")
"""The columns for reductions of graded rows; of them a file has only ``course``, where it is told
which courses patients had."""
_GRADES = 6  # The grades are 0 to 5.


def _dtype(field: Field) -> type[pl.DataType]:
    if field.kind is int:
        return {8: pl.Int8, 32: pl.Int32}[field.column.bits]
    return pl.Boolean if field.kind is bool else pl.String


BATCH_SCHEMA: dict[str, type[pl.DataType]] = {field.name: _dtype(field) for field in IN_BATCHES}
"""The columns of a stored batch's graded rows: ``FILE_COLUMNS``, and ``because``."""
FILE_SCHEMA = {name: BATCH_SCHEMA[name] for name in FILE_COLUMNS}
"""The columns of files and frames, with texts for what is Enum or Categorical there."""


def flag_bit(flag: Flag, when: pl.Expr) -> pl.Expr:
    """Return the flag's bit where ``when`` is true, else 0."""
    bit = pl.lit(FLAG_BITS[flag], dtype=pl.Int32)
    return pl.when(when).then(bit).otherwise(pl.lit(0, dtype=pl.Int32))


def flags_of_grade() -> pl.Expr:
    """Return the flag bits that a graded test has by its limits and its grade, not by its date.

    Reads ``refused``, ``limit_flags``, ``above_uln``, ``below_lln``, ``at_least``, ``at_most``,
    ``by_indicator`` and its term's ``high``, ``highest``, ``clinical``,
    ``has_baseline_condition`` and ``term_flag``.
    """
    graded = pl.col("refused").is_null()
    measured = graded | (pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT])
    beyond = pl.when("high").then("above_uln").otherwise("below_lln")
    within = (~beyond).fill_null(False)
    of_limits = pl.when(measured).then(pl.col("limit_flags") | pl.col("term_flag"))
    return (
        of_limits.otherwise(pl.lit(0, dtype=pl.Int32))
        | flag_bit(Flag.BY_INDICATOR, graded & pl.col("by_indicator"))
        | flag_bit(Flag.WITHIN_REFERENCE_RANGE, graded & (pl.col("at_least") > 0) & within)
        | flag_bit(
            Flag.ABNORMAL_NOT_GRADED,
            graded
            & pl.col("has_baseline_condition")
            & (pl.col("at_most") == 0)
            & beyond.fill_null(False),
        )
        | flag_bit(
            Flag.CLINICAL_GRADE_POSSIBLE,
            pl.col("clinical") & (pl.col("at_most") == pl.col("highest")),
        )
    )


def to_output(tests: pl.DataFrame, terms: Sequence[Term]) -> pl.DataFrame:
    """Return the texts and grades of every test, compared with its baseline, in output columns."""
    phase = (
        pl.when("is_baseline")
        .then(pl.lit("baseline", dtype=PHASE_TYPE))
        .when("before_start")
        .then(pl.lit("pre_treatment", dtype=PHASE_TYPE))
        .otherwise("phase")
    )
    least, most = pl.col("at_least"), pl.col("at_most")
    named = tests.with_columns(
        phase=phase,
        grade=pl.when(least == most).then(least),
        on_treatment=pl.when("before_start").then(pl.lit(False)).otherwise("on_treatment"),
        worse_than_baseline="worse",
        flags=pl.col("flags")
        | flag_bit(Flag.OLD_BASELINE, pl.col("is_baseline") & pl.col("old"))
        | flag_bit(Flag.NO_RADIOTHERAPY_END, pl.col("no_radiotherapy_end"))
        | flag_bit(Flag.BASELINE_AMBIGUOUS, pl.col("is_ambiguous"))
        | flag_bit(Flag.BASELINE_MAY_DIFFER, pl.col("may_differ")),
    )
    place = named["term"].fill_null(len(terms))
    criterion = place * _GRADES + named["grade"].fill_null(0)
    texts = named.with_columns(
        term=_term_names(terms).gather(place),
        reason=_texts([reason.value for reason in Reason]).gather(named["reason"]),
        flags=_flag_texts(named["flags"]),
        criterion=_criteria(terms).gather(criterion),
    )
    return texts.select("row", *_COMPUTED, *FOR_COUNTING)


_COMPUTED = tuple(name for name in FILE_COLUMNS if name != "edition")  # One for the whole frame.
_OF_GRADE = (*(n for n in _COMPUTED if n not in ("term", "reason", "phase")), "course", "last")


def refuse(graded: pl.DataFrame, refused: pl.Series, reason: Reason) -> pl.DataFrame:
    """Return what ``to_output`` returned; ``refused`` rows have no grade and no place, and why."""
    why = pl.lit(reason.value, dtype=graded.schema["reason"])
    nowhere = pl.lit("unknown", dtype=PHASE_TYPE)
    return graded.with_columns(
        pl.when(~refused).then(pl.col(_OF_GRADE)),
        pl.when(refused).then(why).otherwise("reason").alias("reason"),
        pl.when(refused).then(nowhere).otherwise("phase").alias("phase"),
    )


def _texts(texts: Sequence[str | None]) -> pl.Series:
    """Return texts to gather by index, as an Enum, which takes one or two bytes per row."""
    kinds = pl.Enum(list(dict.fromkeys(text for text in texts if text is not None)))
    return pl.Series(texts, dtype=kinds)


def _term_names(terms: Sequence[Term]) -> pl.Series:
    """Return the terms' names by index, followed by null for an analyte that is not graded."""
    return _texts([*(term.name for term in terms), None])


def _criteria(terms: Sequence[Term]) -> pl.Series:
    """Return NCI's wording at term x 6 + grade; null for grade 0 and without a term."""
    wordings = [term.says(grade) for term in terms for grade in range(_GRADES)]
    return _texts([*wordings, *[None] * _GRADES])


def _flag_texts(bits: pl.Series) -> pl.Series:
    """Return the flags of each row as text, joined by a space; null where there are none.

    An Enum would write the texts of all combinations into each Parquet file.
    """
    kinds = pl.Categorical(pl.Categories("flags", "toxgrade", pl.UInt16))
    met = bits.unique()
    texts = pl.Series([_flag_text(one) for one in met], dtype=kinds)
    place = pl.int_range(len(met), dtype=pl.UInt32, eager=True)
    highest = int(met.max() or 0)  # type: ignore[arg-type]
    places = pl.repeat(None, highest + 1, dtype=pl.UInt32, eager=True).scatter(met, place)
    return texts.gather(places.gather(bits))


@cache
def _flag_text(bits: int) -> str | None:
    return " ".join(flag for flag, bit in FLAG_BITS.items() if bits & bit) or None
