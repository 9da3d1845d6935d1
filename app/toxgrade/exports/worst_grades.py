"""The worst grades of every patient and term of an export, from what was gathered of its rows."""

from functools import reduce
from operator import or_

import polars as pl

from toxgrade.exports.worst_cells import (
    DECIDED,
    MAY_BE_WORSE,
    NO_NUMBER,
    RELATIVE,
    UNSEEN,
    WORSE,
)

_CERTAIN = {
    "baseline": ("baseline",), "acute": ("acute",), "late": ("late",),
    "both": ("acute", "late", "after_start"),
}  # fmt: skip
"""The cells that are certainly of a phase."""
_POSSIBLE = {
    "baseline": (),
    "acute": ("after_start", "any_time", "not_late"),
    "late": ("after_start", "any_time", "not_acute"),
    "both": ("any_time", "not_late", "not_acute"),
}
"""The cells that may be of a phase: they raise its upper bound alone."""


def bounds_by_phase(cells: pl.DataFrame) -> pl.DataFrame:
    """Return bounds of each patient and term by phase.

    ``cells`` is what ``Worst.cells`` returned. The result has ``patient``, ``term`` and for
    ``baseline``, ``acute``, ``late`` and ``both`` (acute and late together) the fields of
    ``Bounds``: ``…_least``, ``…_most`` (Int8), ``…_decided`` (Boolean, null: no result may be of
    the phase), ``…_worse``, ``…_relative`` (Boolean).
    """
    columns = []
    for phase in _CERTAIN:
        certain, possible = (
            [cell for cell in names if f"{cell}_least" in cells.columns]
            for names in (_CERTAIN[phase], (*_CERTAIN[phase], *_POSSIBLE[phase]))
        )
        least = pl.max_horizontal(f"{cell}_least" for cell in certain)
        most = pl.max_horizontal(
            f"{cell}_{side}" for cell in possible for side in ("least", "most")
        )
        seen = pl.max_horizontal(f"{cell}_least" for cell in possible) > UNSEEN
        bits = _bits_of(certain), _bits_of(possible)
        worse = (
            pl.when((bits[0] & WORSE) > 0)
            .then(True)
            .when((bits[1] & (WORSE | MAY_BE_WORSE)) == 0)
            .then(False)
        )
        columns += [
            pl.when(least > NO_NUMBER).then(least).alias(f"{phase}_least"),
            pl.when(most > NO_NUMBER).then(most).alias(f"{phase}_most"),
            pl.when(seen).then((bits[0] & DECIDED) > 0).alias(f"{phase}_decided"),
            pl.when(seen).then(worse).alias(f"{phase}_worse"),
            pl.when(seen).then((bits[1] & RELATIVE) > 0).alias(f"{phase}_relative"),
        ]
    return cells.select("patient", "term", *columns)


def _bits_of(cells: list[str]) -> pl.Expr:
    return reduce(or_, (pl.col(f"{cell}_bits").fill_null(0) for cell in cells))


def worst_grades(bounds: pl.DataFrame) -> pl.DataFrame:
    """Return per patient and term the fields of ``TermSummary``, with its meanings and nulls."""
    known = pl.col("baseline_least") == pl.col("baseline_most")
    return bounds.select(
        "patient",
        "term",
        baseline_grade=pl.when(known).then("baseline_least"),
        worst_acute=_shown("acute"),
        worst_acute_at_most="acute_most",
        worst_late=_shown("late"),
        worst_late_at_most="late_most",
        worse_acute=_worse("acute"),
        worse_late=_worse("late"),
    )


def _shown(phase: str) -> pl.Expr:
    least = pl.col(f"{phase}_least")
    return pl.when((least > 0) | pl.col(f"{phase}_decided")).then(least)


def _worse(phase: str) -> pl.Expr:
    """Return whether a grade of a phase is worse; null where no result certainly lies in it."""
    return pl.when(pl.col(f"{phase}_least").is_not_null()).then(f"{phase}_worse")
