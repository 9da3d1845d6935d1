"""The worst grades of every patient of an export."""

import polars as pl

PHASES = ("baseline", "acute", "late")
_MOST = 4_000_000
"""Gradings that are kept, 14 bytes each, before they are brought to one for each patient, term and
phase. Pieces are not brought to one alone: in an order of visits a patient is once in each.
"""


class Worst:
    """Gathers the highest grades of each patient, term and phase, piece by piece.

    The three are made one number: grouping by each of them took three times that long.
    """

    def __init__(self) -> None:
        self._terms = self._phases = pl.Enum([])
        self._parts: list[pl.DataFrame] = []
        self._kept = 0

    def add(self, graded: pl.DataFrame) -> None:
        """``graded``: a piece as ``ColumnGrader.grade`` gives it."""
        self._terms, self._phases = (_enum(graded[name]) for name in ("term", "phase"))
        term, phase = (pl.col(n).to_physical().cast(pl.Int64) for n in ("term", "phase"))
        terms, phases = len(self._terms.categories), len(self._phases.categories)
        counted = graded.filter(
            pl.col("who").is_not_null()
            & pl.col("term").is_not_null()
            & pl.col("reason").ne_missing(pl.lit("not-final"))
        ).select(
            ((pl.col("who") * terms + term) * phases + phase).alias("key"),
            "at_least",
            "at_most",
            "last",
            decided=(pl.col("at_least") == pl.col("at_most")).fill_null(False),
        )
        self._parts.append(counted)
        self._kept += len(counted)
        if self._kept > _MOST:
            self._parts = [_highest(self._parts)]
            self._kept = len(self._parts[0])

    def bounds(self, patients: pl.Series) -> pl.DataFrame:
        """One row per patient, term and phase, in their order: ``patient`` String, ``term``,
        ``phase`` Enum, ``at_least``, ``at_most`` (Int8), ``decided`` (Boolean), ``last`` (Date, the
        last day of a result), and ``pair`` (Int64, the number of patient and term).

        ``patients``: their names by number.
        """
        phases = len(self._phases.categories)
        tests = len(self._terms.categories) * phases
        found, rank = _highest(self._parts), patients.arg_sort().arg_sort().cast(pl.Int64)
        by_name = rank.gather(found["key"] // tests) * tests + found["key"] % tests
        found = found.with_columns(by_name.alias("key")).sort("key")
        key = pl.col("key")
        return found.select(
            patients.sort().gather(found["key"] // tests).alias("patient"),
            (key % tests // phases).cast(pl.UInt8).cat.to(self._terms).alias("term"),
            (key % phases).cast(pl.UInt8).cat.to(self._phases).alias("phase"),
            "at_least",
            "at_most",
            "decided",
            "last",
            pair=key // phases,
        )


def _highest(parts: list[pl.DataFrame]) -> pl.DataFrame:
    highest = pl.concat(parts).lazy().group_by("key").agg(pl.all().max())
    return highest.collect(engine="streaming")  # a third of the time of the other engine


def _enum(column: pl.Series) -> pl.Enum:
    assert isinstance(column.dtype, pl.Enum), "terms and phases are told as Enum"
    return column.dtype


def worst_grades(bounds: pl.DataFrame) -> pl.DataFrame:
    """One row per patient and term: the fields of ``TermSummary``, with its meanings and nulls."""
    keys = ["patient", "term"]
    wide = bounds.select(*keys, "pair").unique("pair", keep="first", maintain_order=True)
    for phase in PHASES:
        mine = bounds.filter(pl.col("phase") == phase).select(
            "pair",
            pl.col("at_least").alias(f"{phase}_least"),
            pl.col("at_most").alias(f"{phase}_most"),
            pl.when((pl.col("at_least") > 0) | pl.col("decided"))
            .then("at_least")
            .alias(f"{phase}_shown"),
        )
        wide = wide.join(mine, on="pair", how="left", maintain_order="left")
    known = pl.col("baseline_least") == pl.col("baseline_most")
    return wide.select(
        *keys,
        baseline_grade=pl.when(known).then("baseline_least"),
        worst_acute="acute_shown",
        worst_acute_at_most="acute_most",
        worst_late="late_shown",
        worst_late_at_most="late_most",
        worse_acute=_worse("acute"),
        worse_late=_worse("late"),
    )


def _worse(phase: str) -> pl.Expr:
    least, most = pl.col(f"{phase}_least"), pl.col(f"{phase}_most")
    before_least, before_most = pl.col("baseline_least"), pl.col("baseline_most")
    known = pl.all_horizontal(c.is_not_null() for c in (least, most, before_least, before_most))
    return (
        pl.when(known & (least > before_most))
        .then(True)
        .when(known & (most <= before_least))
        .then(False)
    )
