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
from toxgrade.grading.columns.interning import text_index
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
        self._cases = pl.DataFrame(schema={"case": pl.Int64})
        self._sent = text_index()
        self._candidate_count = 0
        self._chosen: ChosenBaselines | None = None

    def add(self, tests: pl.DataFrame, rows: pl.DataFrame, *, carried: bool = False) -> None:
        """Add candidates: results before the start per term, graded by the limits of normal.

        ``carried``: they are of another course, and count where this one has no candidate.

        ``tests`` is made from ``rows``, which are ``COLUMNS`` and may have ``source_id`` and
        ``IDENTITY``; ``case`` is the case of each.
        """
        valid = tests.filter(pl.col("valid") & pl.col("term").is_not_null())
        valid = valid.with_columns(pl.col("case").cast(pl.Int64))
        found = last_days(valid.select(self._key(), pl.lit(carried).alias("carried"), *_OF_TEST))
        self._candidates.append(self._with_texts(found, rows))
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

    def _with_texts(self, candidates: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Return candidates with what decides between those that are graded alike."""
        at = candidates["at"]
        return candidates.drop("at").with_columns(
            _texts(rows, "collected", at).alias("collected"),
            _texts(rows, "source_id", at).alias("source_id"),
            self._sent.numbers(_as_sent(rows, at)).alias("sent"),
            identity=rows[IDENTITY][at] if IDENTITY in rows.columns else None,
        )

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
            in_order = self._sent.known["text"].rank("dense")  # They were numbered as they came.
            candidates = candidates.with_columns(sent=in_order.gather(candidates["sent"]))
            undated = pl.concat([no_undated(), *self._undated])
            texts = pl.concat(self._texts).sort("case") if self._texts else pl.DataFrame()
            self._candidates, self._texts, self._undated = [], [], []
            self._chosen = ChosenBaselines(
                candidates, undated, texts, self._compares, self._units, self._names, self._ranges
            )
        return self._chosen


_USABLE = pl.col("refused").is_null() | (
    pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]
)
_OF_TEST = (
    pl.col("declared", "time", "high"),
    pl.col("first").fill_null(pl.date(1, 1, 1)).alias("day"),
    (pl.col("at_least").fill_null(-1).cast(pl.Int32) * 10 + pl.col("at_most").fill_null(-1))
    .alias("worst"),
    pl.when(pl.col("unit_key").is_null()).then(0).otherwise("value").alias("number"),
    pl.col("case"),
    pl.col("row", "at_least", "at_most").name.prefix("b_"),
    (_USABLE & pl.col("one_by_one")).alias("b_one_by_one"),
    pl.when(_USABLE).then("value").alias("baseline"),
    pl.col("comparator").alias("baseline_comparator"),
    pl.col("unit_key").alias("baseline_unit"),
    *(
        pl.when(_USABLE).then(name).alias(f"baseline_{name}")
        for name in ("above_uln", "below_lln", "above_uln_silent", "below_lln_silent")
    ),
    pl.col("at"),
)  # fmt: skip
"""The columns of a candidate, in the order of ``no_candidates``; then its place in the rows."""


def _as_sent(rows: pl.DataFrame, places: pl.Series) -> pl.Series:
    """Return status, specimen, indicator and laboratory at ``places`` as one text, in order."""
    names = ("status", "specimen", "indicator", "lab")
    texts = pl.DataFrame([_texts(rows, name, places).alias(name) for name in names])
    status = pl.col("status").replace("", "final")
    return texts.select(pl.concat_str(status, *names[1:], separator="\x00")).to_series()


def _texts(rows: pl.DataFrame, name: str, places: pl.Series) -> pl.Series:
    """Return a column's texts at ``places``; empty texts where it is absent."""
    if name not in rows.columns:
        return pl.repeat("", len(places), eager=True)
    return rows[name][places].cast(pl.String).str.strip_chars(WHITE_SPACE).fill_null("")
