"""The candidates for baselines of an export, piece by piece: ``grading/patient_baselines.py``."""

from collections.abc import Sequence

import polars as pl

from toxgrade.grading.columns.baseline_selection import (
    KEY,
    last_days,
    no_candidates,
    own_ones,
)
from toxgrade.grading.columns.chosen_baselines import ChosenBaselines, no_undated
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.normalize import as_strings
from toxgrade.grading.columns.study_ranges import StudyRanges
from toxgrade.grading.flags import Reason
from toxgrade.grading.parse import WHITE_SPACE
from toxgrade.grading.units import Names, UnitKeys

IDENTITY = "\x00identity"
"""A column (Int64) of what tells rows apart that are equal in every column of a result: of two such
the lower one is the baseline. Without it the first row is, which is not the same in any order."""

_MAX_CANDIDATES = 1_000_000
"""The number of candidates above which those of earlier days are dropped."""


class Baselines:
    """The candidates for baselines; ``chosen`` chooses among them once all are added.

    ``compares``: of each term of the edition, whether it is graded against a baseline.
    """

    def __init__(
        self, compares: Sequence[bool], units: UnitKeys, names: Names, ranges: StudyRanges
    ) -> None:
        self._compares, self._units, self._names = compares, units, names
        self._ranges = ranges
        self._candidates: list[pl.DataFrame] = []
        self._undated: list[pl.DataFrame] = []
        self._texts: list[pl.DataFrame] = []  # A row of each case that has a candidate.
        self._cases = pl.DataFrame(schema={"case": pl.UInt32})
        self._candidate_count = 0
        self._chosen: ChosenBaselines | None = None

    def add(self, tests: pl.DataFrame, rows: pl.DataFrame, *, carried: bool = False) -> None:
        """Add candidates: results before the start per term, graded by the limits of normal.

        ``carried``: they are of another course, and count where this one has no candidate.

        ``tests`` is made from ``rows``, which are ``COLUMNS`` and may have ``source_id`` and
        ``IDENTITY``; ``case`` is the case of each.
        """
        valid = tests.filter(pl.col("valid") & pl.col("term").is_not_null())
        usable = pl.col("refused").is_null() | (
            pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]
        )
        candidates = valid.select(
            self._key(),
            pl.lit(carried).alias("carried"),
            "declared",
            "time",
            "high",
            day=pl.col("first").fill_null(pl.date(1, 1, 1)),
            worst=pl.col("at_least").fill_null(-1).cast(pl.Int32) * 10
            + pl.col("at_most").fill_null(-1),
            number=pl.when(pl.col("unit_key").is_null()).then(0).otherwise("value"),
            case="case",
            collected=_texts(rows, "collected", valid["at"]),
            source_id=_texts(rows, "source_id", valid["at"]),
            identity=rows[IDENTITY][valid["at"]] if IDENTITY in rows.columns else None,
            b_row="row",
            b_at_least="at_least",
            b_at_most="at_most",
            b_one_by_one=usable & pl.col("one_by_one"),
            baseline=pl.when(usable).then("value"),
            baseline_comparator="comparator",
            baseline_unit="unit_key",
            baseline_above_uln=pl.when(usable).then("above_uln"),
            baseline_below_lln=pl.when(usable).then("below_lln"),
            baseline_above_uln_silent=pl.when(usable).then("above_uln_silent"),
            baseline_below_lln_silent=pl.when(usable).then("below_lln_silent"),
        )
        self._candidates.append(last_days(candidates))
        new = valid.select("case", "at").unique("case", maintain_order=True)
        new = new.join(self._cases, on="case", how="anti", maintain_order="left")
        self._cases = pl.concat([self._cases, new.select("case")])
        self._texts.append(as_strings(rows[new["at"]]).with_columns(new["case"]))
        self._candidate_count += len(self._candidates[-1])
        if self._candidate_count > _MAX_CANDIDATES:
            self._candidates = [last_days(pl.concat(self._candidates))]
            self._candidate_count = len(self._candidates[0])
            self._cases = self._candidates[0].select("case").unique()
            texts = pl.concat(self._texts)
            self._texts = [texts.join(self._cases, on="case", how="semi", maintain_order="left")]

    def add_undated(self, tests: pl.DataFrame) -> None:
        """Add results without a full date, which may have been taken up to the start."""
        valid = pl.col("valid") & pl.col("term").is_not_null()
        undated = tests.filter(valid)
        self._undated.append(undated.select(self._key(), "declared", "last", "untreated", "row"))

    def _key(self) -> pl.Expr:
        return (pl.col("course") * len(self._compares) + pl.col("term")).alias(KEY)

    @property
    def chosen(self) -> ChosenBaselines:
        """Return the chosen ones; nothing can be added any more."""
        if self._chosen is None:
            candidates = own_ones(pl.concat([no_candidates(), *self._candidates]))
            undated = pl.concat([no_undated(), *self._undated])
            texts = pl.concat(self._texts).sort("case") if self._texts else pl.DataFrame()
            self._candidates, self._texts, self._undated = [], [], []
            self._chosen = ChosenBaselines(
                candidates, undated, texts, self._compares, self._units, self._names, self._ranges
            )
        return self._chosen


def _texts(rows: pl.DataFrame, name: str, places: pl.Series) -> pl.Series:
    """Return a column's texts at ``places``; empty texts where it is absent."""
    if name not in rows.columns:
        return pl.repeat("", len(places), eager=True)
    return rows[name][places].cast(pl.String).str.strip_chars(WHITE_SPACE).fill_null("")
