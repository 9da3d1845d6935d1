"""The worst grades of every patient of an export."""

from datetime import date

import polars as pl

PHASES = ("baseline", "acute", "late")
_NO_NUMBER, _UNSEEN = -1, -2
_DAY = {"who": pl.Int64, "last": pl.Date}


class Worst:
    """Gathers the highest grades of each patient, term and phase, piece by piece.

    Each of them has a cell, found by one number: to group the rows took three times as long for
    thirty million (3.6 CPU seconds more than without worst grades, not 1.2). The cells of a term
    lie together, and are made when it is met. ``patients``: how many there are; ``with_days``: the
    last day of each patient is asked for too.
    """

    def __init__(self, patients: int, *, with_days: bool) -> None:
        self._patients = patients
        self._terms = self._phases = pl.Enum([])
        self._met: list[int] = []  # the terms, by their place in the Enum, in the cells' order
        self._least, self._most = (pl.Series(dtype=pl.Int8) for _ in range(2))
        self._decided = pl.Series(dtype=pl.Boolean)
        self._days = [pl.DataFrame(schema=_DAY)] if with_days else None

    def add(self, graded: pl.DataFrame) -> None:
        """``graded``: a piece as ``ColumnGrader.grade`` gives it."""
        self._terms, self._phases = (_enum(graded[name]) for name in ("term", "phase"))
        counted = graded.filter(
            pl.col("who").is_not_null()
            & pl.col("term").is_not_null()
            & pl.col("reason").ne_missing(pl.lit("not-final"))
        )
        cells, least, most = self._cells(counted), counted["at_least"], counted["at_most"]
        _raise(self._least, cells, least.fill_null(_NO_NUMBER))
        decided = (least == most).fill_null(False)
        self._decided.scatter(cells.filter(decided), True)
        # Where the grade is decided the one is the other.
        _raise(self._most, cells.filter(~decided), most.filter(~decided).fill_null(_NO_NUMBER))
        if self._days is not None:
            days = pl.concat([*self._days, counted.select("who", "last")])
            self._days = [days.group_by("who").agg(pl.col("last").max())]

    def _cells(self, counted: pl.DataFrame) -> pl.Series:
        """The cell of each row, made where it is of a term that was not met before."""
        phases = len(self._phases.categories)
        term, phase = (counted[n].to_physical().cast(pl.Int64) for n in ("term", "phase"))
        if new := set(term.unique()) - set(self._met):
            more = len(new) * self._patients * phases
            self._met += sorted(new)
            for cells, empty in (
                (self._least, _UNSEEN), (self._most, _UNSEEN), (self._decided, False)
            ):  # fmt: skip
                cells.append(pl.repeat(empty, more, dtype=cells.dtype, eager=True))
                cells.rechunk(in_place=True)
        blocks = pl.repeat(0, len(self._terms.categories), dtype=pl.Int64, eager=True)
        block = blocks.scatter(self._met, range(len(self._met))).gather(term)
        return (block * self._patients + counted["who"]) * phases + phase

    def bounds(self, patients: pl.Series) -> pl.DataFrame:
        """One row per patient, term and phase, in their order: ``patient`` String, ``term``,
        ``phase`` Enum, ``at_least``, ``at_most`` (Int8), ``decided`` (Boolean), and ``pair``
        (Int64, the number of patient and term).

        ``patients``: their names by number.
        """
        phases, terms = len(self._phases.categories), len(self._terms.categories)
        block = max(self._patients * phases, 1)
        cells = (self._least > _UNSEEN).arg_true().cast(pl.Int64)
        rank = patients.arg_sort().arg_sort().cast(pl.Int64).gather(cells % block // phases)
        term = pl.Series(self._met, dtype=pl.Int64).gather(cells // block)
        by_name = ((rank * terms + term) * phases + cells % phases).alias("key")
        found = pl.DataFrame([by_name, cells.alias("cell")]).sort("key")
        numbers = pl.DataFrame(
            {
                "at_least": self._least.gather(found["cell"]),
                "at_most": self._most.gather(found["cell"]),
            }
        ).with_columns(at_most=pl.max_horizontal("at_least", "at_most"))
        key = pl.col("key")
        return found.hstack(numbers.select(pl.when(pl.all() > _NO_NUMBER).then(pl.all()))).select(
            patients.sort().gather(found["key"] // (terms * phases)).alias("patient"),
            (key // phases % terms).cast(pl.UInt8).cat.to(self._terms).alias("term"),
            (key % phases).cast(pl.UInt8).cat.to(self._phases).alias("phase"),
            "at_least",
            "at_most",
            self._decided.gather(found["cell"]).alias("decided"),
            pair=key // phases,
        )

    def last_days(self, patients: pl.Series) -> dict[str, date]:
        """The last day of a result of each patient, by name; none of those who have none."""
        assert self._days is not None, "the days were not asked for"
        days = self._days[0].drop_nulls()
        return dict(zip(patients.gather(days["who"]), days["last"], strict=True))


def _raise(cells: pl.Series, places: pl.Series, values: pl.Series) -> None:
    """Raise ``cells`` at these places to these values, where they are lower: value by value, as a
    place may be there twice.
    """
    for value in values.unique().sort():
        here = places.filter(values == value)
        cells.scatter(here.filter(cells.gather(here) < value), value)


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
