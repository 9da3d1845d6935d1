"""The highest grades of every patient of an export, gathered piece by piece."""

from collections.abc import Iterator
from datetime import date
from functools import reduce
from operator import or_

import polars as pl
import polars.selectors as cs

from toxgrade.grading.columns.phase import PHASE_TYPE
from toxgrade.grading.flags import Flag, Reason

CELLS = (
    "pre_treatment", "baseline", "acute", "late",
    "after_start", "any_time", "not_late", "not_acute",
)  # fmt: skip
"""The cells of a patient and term: one for each phase, then those of unknown phase, for what is
certainly acute or late, may be of any phase, or of any but late or acute."""
_PATIENTS = 100_000  # Those whose cells are given at once: of a million they would take 0.5 GB.
_BLOCK = 4  # Cells made together: most terms have no results of unknown phase.
NO_NUMBER, UNSEEN = -1, -2  # A cell with results but no number; a cell without results.
DECIDED, WORSE, MAY_BE_WORSE, RELATIVE = 1, 2, 4, 8
"""What is known of the grades in a cell beside their bounds: one is decided, is certainly or
possibly worse than its baseline, or is relative to it."""
_LEFT_OUT = [Reason.NOT_FINAL.value, Reason.AFTER_DEATH.value]
_DAY = {"who": pl.Int64, "last": pl.Date}


class Worst:
    """Gathers the highest grades of each patient, term and phase, piece by piece.

    Each of these has a cell at a computed place. For thirty million rows this adds 1.2 CPU seconds
    to a run without worst grades; grouping the rows added 3.6. The cells of a term lie together and
    are made when they are first needed. ``patients``: their number; ``with_days``: the last day of
    each patient is gathered too.
    """

    def __init__(self, patients: int, *, with_days: bool) -> None:
        self._patients = patients
        self._terms = pl.Enum([])
        self._blocks: list[int] = []  # In the cells' order: term x 2, + 1 for unknown phases.
        self._least, self._most = (pl.Series(dtype=pl.Int8) for _ in range(2))
        self._bits = pl.Series(dtype=pl.UInt8)
        self._days = [pl.DataFrame(schema=_DAY)] if with_days else None

    def add(self, graded: pl.DataFrame) -> None:
        """Add a piece that ``ColumnGrader.grade`` gave.

        Results that are not final, or dated after death, do not count; those of a later course than
        the first only as the last of a patient.
        """
        kind = graded["term"].dtype
        assert isinstance(kind, pl.Enum), "terms are told as Enum"
        self._terms = kind
        counted = graded.filter(
            pl.col("who").is_not_null()
            & pl.col("term").is_not_null()
            & ~pl.col("reason").is_in(_LEFT_OUT).fill_null(False)
        )
        if self._days is not None:
            days = pl.concat([*self._days, counted.select("who", "last")])
            self._days = [days.group_by("who").agg(pl.col("last").max())]
        if counted.select((pl.col("course") > 1).any() | _ELSEWHERE.any()).item():
            counted = _of_first_course(counted)
        counted = _with_ambiguous_baselines(counted)
        found = counted.select(
            code=_code(), least=pl.col("at_least").fill_null(NO_NUMBER),
            most=pl.col("at_most").fill_null(NO_NUMBER), bits=_bits(counted["flags"]),
        )  # fmt: skip
        cells, least, most = self._cells(found["code"], counted["who"]), *found["least", "most"]
        _lift(self._least, cells, least)
        _mark(self._bits, cells, found["bits"])
        # Decided grades have equal bounds: only undecided ones need an upper bound of their own.
        undecided = least != most
        _lift(self._most, cells.filter(undecided), most.filter(undecided))

    def _cells(self, codes: pl.Series, who: pl.Series) -> pl.Series:
        """Return the cell of each row; the cells of blocks that are new are made."""
        if new := set(codes.unique() // _BLOCK) - set(self._blocks):
            added = len(new) * self._patients * _BLOCK
            self._blocks += sorted(new)
            for cells, empty in ((self._least, UNSEEN), (self._most, UNSEEN), (self._bits, 0)):
                cells.append(pl.repeat(empty, added, dtype=cells.dtype, eager=True))
                cells.rechunk(in_place=True)
        every = pl.int_range(len(self._terms.categories) * len(CELLS), eager=True)
        of_codes = self._first_cells().gather(every // _BLOCK) + every % _BLOCK
        return of_codes.gather(codes) + who * _BLOCK

    def _first_cells(self) -> pl.Series:
        """Return the first cell of each possible block; null: it was not made."""
        blocks = pl.repeat(None, 2 * len(self._terms.categories), dtype=pl.Int64, eager=True)
        made = pl.int_range(len(self._blocks), eager=True) * (self._patients * _BLOCK)
        return blocks.scatter(self._blocks, made)

    def cells(self, patients: pl.Series) -> Iterator[pl.DataFrame]:
        """Yield frames, at least one, of one row per patient and term, sorted by them: ``patient``
        String, ``term`` Enum, and for each of ``CELLS`` ``…_least`` and ``…_most`` (Int8; the
        higher is the upper bound) and ``…_bits`` (UInt8), null where no cell was made. Those of
        unknown phase are left out if there was no such result.

        ``patients``: their names by number.
        """
        order = patients.arg_sort().cast(pl.Int64)
        for first in range(0, max(len(order), 1), _PATIENTS):
            yield self._cells_of(order.slice(first, _PATIENTS), patients)

    def _cells_of(self, who: pl.Series, patients: pl.Series) -> pl.DataFrame:
        # Cells are in order of term and patient; the output is in order of patient's name and term.
        terms = pl.Series(sorted({block // 2 for block in self._blocks}), dtype=pl.Int64)
        numbers = pl.int_range(len(who) * len(terms), eager=True)
        pairs = pl.DataFrame(
            {
                "who": who.gather(numbers // max(len(terms), 1)),
                "term": terms.gather(numbers % max(len(terms), 1)),
            }
        )
        first_cells = self._first_cells()
        places = [
            first_cells.gather(pairs["term"] * 2 + unknown) + pairs["who"] * _BLOCK
            for unknown in sorted({0, *(block % 2 for block in self._blocks)})
        ]
        cells = pl.DataFrame({"least": self._least, "most": self._most, "bits": self._bits})
        found = [
            cells.select(
                pl.all().gather(places[at // _BLOCK] + at % _BLOCK).name.prefix(f"{name}_")
            )
            for at, name in enumerate(CELLS[: len(places) * _BLOCK])
        ]
        every = pl.DataFrame(
            {
                "patient": patients.gather(pairs["who"]),
                "term": pairs["term"].cast(pl.UInt8).cat.to(self._terms),
            }
        ).hstack(pl.concat(found, how="horizontal").get_columns())
        return every.filter(pl.max_horizontal(cs.ends_with("_least")) > UNSEEN)

    def last_days(self, patients: pl.Series) -> dict[str, date]:
        """Return the last likely day of a result of each patient who has one, by name."""
        assert self._days is not None, "the days were not asked for"
        days = self._days[0].drop_nulls()
        return dict(zip(patients.gather(days["who"]), days["last"], strict=True))


_UNKNOWN = pl.col("phase") == pl.lit("unknown", dtype=PHASE_TYPE)
_ELSEWHERE = _UNKNOWN & ~pl.col("may_be_acute") & ~pl.col("may_be_late")
"""Of unknown phase, and neither acute nor late in the first course."""


def _of_first_course(graded: pl.DataFrame) -> pl.DataFrame:
    """Return what is of the first course. A result of a later one that has no phase there counts as
    one before the start: its term is named, as in a summary.
    """
    before = pl.lit("pre_treatment", dtype=PHASE_TYPE)
    first = _UNKNOWN | (pl.col("course") == 1).fill_null(True)
    return graded.filter(first).with_columns(
        pl.when(_ELSEWHERE).then(before).otherwise("phase").alias("phase")
    )


def _with_ambiguous_baselines(graded: pl.DataFrame) -> pl.DataFrame:
    """Return grades with all that may be a baseline as one, nothing certain of it above 0.

    So it is where the baseline's own grade depends on which of several results of one day it is.
    """
    flagged = _flagged(graded["flags"], Flag.BASELINE_AMBIGUOUS)
    if not flagged.any():
        return graded.with_columns(is_ambiguous=pl.lit(value=False))
    before = pl.col("phase").is_in(["baseline", "pre_treatment"])
    unknown = pl.col("baseline_grade").is_null() & pl.col("at_most").is_not_null()
    ambiguous = pl.lit(flagged) & before & unknown
    return graded.with_columns(
        phase=pl.when(ambiguous).then(pl.lit("baseline", PHASE_TYPE)).otherwise("phase"),
        at_least=pl.when(ambiguous).then(pl.lit(0, pl.Int8)).otherwise("at_least"),
        is_ambiguous=ambiguous,
    )


def _flagged(flags: pl.Series, flag: Flag) -> pl.Series:
    """Return which rows have a flag."""
    met = flags.unique()
    names = met.cast(pl.String).str.contains(flag.value, literal=True)
    return flags.to_physical().is_in(met.to_physical().filter(names.fill_null(False)).implode())


def _code() -> pl.Expr:
    """Return term x 8 + the place of the phase in ``CELLS``."""
    known = pl.col("phase").to_physical().cast(pl.Int64)
    unknown = (
        pl.when("after_start")
        .then(CELLS.index("after_start"))
        .when("may_be_acute", "may_be_late")
        .then(CELLS.index("any_time"))
        .when("may_be_acute")
        .then(CELLS.index("not_late"))
        .otherwise(CELLS.index("not_acute"))
    )
    is_known = pl.col("phase") != pl.lit("unknown", dtype=PHASE_TYPE)
    term = pl.col("term").to_physical().cast(pl.Int64)
    return term * len(CELLS) + pl.when(is_known).then(known).otherwise(unknown)


def _bits(flags: pl.Series) -> pl.Expr:
    """Return what is known of a grade beside its bounds; nothing of what was not graded."""
    least, worse = pl.col("at_least"), pl.col("worse_than_baseline")
    bits = (
        (DECIDED, (least == pl.col("at_most")) & ~pl.col("is_ambiguous")),
        (WORSE, worse),
        (MAY_BE_WORSE, least.is_not_null() & worse.is_null()),
        (RELATIVE, pl.lit(_flagged(flags, Flag.RELATIVE_TO_BASELINE))),
    )
    return reduce(or_, (met.fill_null(False).cast(pl.UInt8) * bit for bit, met in bits))


def _lift(cells: pl.Series, places: pl.Series, values: pl.Series) -> None:
    """Raise those of ``cells`` at ``places`` that are below ``values``; a place may occur twice."""
    higher = cells.gather(places) < values  # After the first pieces these are few.
    places, values = places.filter(higher), values.filter(higher)
    for value in values.unique().sort():
        found = places.filter(values == value)
        cells.scatter(found.filter(cells.gather(found) < value), value)


def _mark(cells: pl.Series, places: pl.Series, bits: pl.Series) -> None:
    """Add ``bits`` to those of ``cells`` at ``places``; a place may occur twice."""
    # After the first pieces few are new. Of the bits of a place that occurs twice one write wins:
    # the others are added in the next round.
    while True:
        old = cells.gather(places)
        merged = old | bits
        new = merged != old
        if not new.any():
            return
        places, bits = places.filter(new), bits.filter(new)
        cells.scatter(places, merged.filter(new))
