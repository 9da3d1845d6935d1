"""Many patients' results at once: the steps of ``patient.py`` on columns, for millions of rows.

Rows whose numbers do not fit 64-bit millionths, and comparisons the kernel does not make (with a
baseline in another unit, or a censored one), go through the plain grader: every row gets exactly
the plain answer.
"""

import polars as pl

from app.grading.answer import answer
from app.grading.baselines import with_baselines
from app.grading.column import GRADED, decide
from app.grading.one import OWN_LIMITS, Baseline, Grader
from app.grading.phase import Window, place_columns
from app.grading.reading import FLAG_BITS, read_rows
from app.grading.result import Flag, Reason
from app.grading.rows import lab_result
from app.grading.tables import REASON_CODES, SIMPLE, Tables

COLUMNS = (
    *("patient", "collected", "analyte", "value", "unit", "lln", "uln"),
    *("limit_unit", "baseline", "status"),
)
"""What a frame of rows holds, String, null where absent; ``rt_start``, ``rt_end`` (Date) beside."""

_IMPLAUSIBLE_LIMIT = REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]


def grade_rows(rows: pl.DataFrame, grader: Grader, window: Window) -> pl.DataFrame:
    """Grade every row of ``rows`` for every term of its analyte.

    ``rows``: the columns of ``COLUMNS`` and ``rt_start``, ``rt_end`` (null: unknown), which are the
    same on all rows of a patient. A row without a patient has no baseline.

    Returns one row per input row and term, in input order: ``row`` Int64 (place in ``rows``),
    ``term`` String (null: not graded), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``,
    ``flags`` (joined by a space), ``criterion`` (NCI's wording), ``phase`` String,
    ``on_treatment`` Boolean, ``days_from_end`` Int32, ``baseline_grade`` Int8,
    ``worse_than_baseline`` Boolean. Meanings and nulls are those of ``PatientGrade``.
    """
    read, tables = read_rows(rows, grader)
    read = read.with_columns(rows["rt_start"], rows["rt_end"], ongoing=pl.lit(False))
    tests = _tests(read.with_columns(place_columns(window)), tables)
    own = _by_own_limits(tests, tables, rows)
    graded = _against_baselines(with_baselines(own), tables, rows)
    return answer(graded, grader.edition.terms)


def _tests(read: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """One row per result and term, each with its test."""
    terms = tables.grader.edition.terms
    places = pl.DataFrame(
        tables.tests,
        schema={
            "combination": pl.Int32,
            "term": pl.Int16,
            **dict.fromkeys(("own_group", "own_row", "full_group", "full_row"), pl.Int32),
        },
        orient="row",
    ).drop("combination")
    high = pl.Series([term.direction == "high" for term in terms], dtype=pl.Boolean)
    most = pl.Series([term.highest_numeric_grade for term in terms], dtype=pl.Int8)
    clinical = pl.Series([term.has_clinical_grade_above for term in terms], dtype=pl.Boolean)
    asks = pl.Series([term.asks_baseline for term in terms], dtype=pl.Boolean)
    said = [FLAG_BITS[Flag(term.flag)] if term.flag else 0 for term in terms]
    places = places.with_columns(
        high=high.gather(places["term"].fill_null(0)),
        highest=most.gather(places["term"].fill_null(0)),
        clinical=clinical.gather(places["term"].fill_null(0)),
        asks_baseline=asks.gather(places["term"].fill_null(0)),
        term_flag=pl.Series(said, dtype=pl.Int16).gather(places["term"].fill_null(0)),
    )
    each = pl.int_ranges("first_test", pl.col("first_test") + pl.col("tests"))
    exploded = read.with_columns(test=each).explode("test")
    tests = pl.concat([exploded, places[exploded["test"]]], how="horizontal")
    value = pl.col("value") * pl.col("value_times")
    comparator = pl.col("comparator")
    above = value > pl.col("uln") * pl.col("limit_times")
    below = value < pl.col("lln") * pl.col("limit_times")
    known = ~pl.col("implausible_limit") & (comparator == 0)
    return tests.with_columns(
        limit=pl.when("high").then("uln").otherwise("lln"),
        before_start=(pl.col("phase") == "pre_treatment")
        | (pl.col("declared") & ~(pl.col("first") > pl.col("rt_start")).fill_null(False)),
        above_uln=pl.when(known).then(above),
        below_lln=pl.when(known).then(below),
        within=pl.when("high")
        .then(~above & (comparator <= 2))
        .otherwise(~below & comparator.is_in([0, 3, 4]))
        .fill_null(False),
    )


def _by_own_limits(tests: pl.DataFrame, tables: Tables, rows: pl.DataFrame) -> pl.DataFrame:
    """Grade every test by the limits of normal alone."""
    implausible = pl.col("reason") == _IMPLAUSIBLE_LIMIT
    frame = tests.with_columns(
        at_least=pl.when(implausible).then(pl.lit(0, dtype=pl.Int8)),
        at_most=pl.when(implausible).then("highest"),
        refused_as=pl.col("reason"),
        plain_flags=pl.lit(None, dtype=pl.Int16),
        baseline=pl.lit(None, dtype=pl.Int64),
        baseline_above_uln=pl.lit(None, dtype=pl.Boolean),
        baseline_below_lln=pl.lit(None, dtype=pl.Boolean),
    )
    open_ = frame["reason"].is_null() & ~frame["one_by_one"]
    simple = pl.Series([group.slots == SIMPLE for group in tables.groups])
    simple_test = simple.gather(frame["own_group"].fill_null(0))
    by_kernel = open_ & ((frame["comparator"] == 0) | simple_test)
    frame = _by_kernel(frame, by_kernel, "own", tables)
    one_by_one = frame["one_by_one"] | (open_ & ~by_kernel)
    return _one_by_one(frame, one_by_one, None, tables.grader, rows)


def _against_baselines(frame: pl.DataFrame, tables: Tables, rows: pl.DataFrame) -> pl.DataFrame:
    """Grade again what the baseline decides: terms that use it, results after the start."""
    concerned = (
        frame["full_group"].is_not_null() & ~frame["before_start"] & frame["refused_as"].is_null()
    )
    baseline_fits = frame["b_row"].is_null() | frame["b_unusable"] | frame["b_fits"]
    by_kernel = concerned & ~frame["one_by_one"] & (frame["comparator"] == 0) & baseline_fits
    frame = _by_kernel(frame, by_kernel, "full", tables)
    return _one_by_one(frame, concerned & ~by_kernel, frame["b_row"], tables.grader, rows)


def _by_kernel(frame: pl.DataFrame, chosen: pl.Series, which: str, tables: Tables) -> pl.DataFrame:
    """Grade the chosen rows by the kernel, group by group; ``which`` is ``own`` or ``full``."""
    for index, group in enumerate(tables.groups):
        mine = chosen & (frame[f"{which}_group"] == index).fill_null(False)
        places = mine.arg_true()
        if not len(places):
            continue
        part = frame if len(places) == len(frame) else frame[places]
        graded = decide(part.with_columns(test_row=pl.col(f"{which}_row")), group)
        frame = _put(frame, places, graded)
    return frame


def _one_by_one(
    frame: pl.DataFrame,
    chosen: pl.Series,
    baseline_rows: pl.Series | None,
    grader: Grader,
    rows: pl.DataFrame,
) -> pl.DataFrame:
    """Grade the chosen rows by the plain grader: by own limits, or against ``baseline_rows``."""
    places = chosen.arg_true()
    if not len(places):
        return frame
    texts = rows.select(COLUMNS)
    graded = []
    for row, term, before in zip(
        frame["row"].gather(places),
        frame["term"].gather(places),
        [None] * len(places) if baseline_rows is None else baseline_rows.gather(places),
        strict=True,
    ):
        baseline: Baseline = OWN_LIMITS
        if baseline_rows is not None:
            baseline = None if before is None else lab_result(texts.row(before, named=True))
        result = lab_result(texts.row(row, named=True))
        grade = grader.grade(result, None if term is None else grader.edition.terms[term], baseline)
        reason = None if grade.reason is None else REASON_CODES[grade.reason]
        flags = sum(FLAG_BITS[flag] for flag in grade.flags)
        graded.append((grade.at_least, grade.at_most, reason, flags))
    schema = {**GRADED, "plain_flags": pl.Int16}
    return _put(frame, places, pl.DataFrame(graded, schema=schema, orient="row"))


def _put(frame: pl.DataFrame, places: pl.Series, graded: pl.DataFrame) -> pl.DataFrame:
    """Write the graded rows back to their places."""
    if len(places) == len(frame):
        return frame.with_columns(graded)
    return frame.with_columns(
        frame[name].clone().scatter(places, graded[name]) for name in graded.columns
    )
