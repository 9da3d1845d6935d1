"""Comparison with another grader's data set (ADLB): where the grades agree, and why they differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from toxgrade.criteria.model import Criteria, Direction
from toxgrade.errors import FileError
from toxgrade.exports.discrepancy_cause import Explanation, explain
from toxgrade.exports.discrepancy_evidence import Compared, Test, gather
from toxgrade.exports.our_grades import Gradings, read_our_grades
from toxgrade.exports.regrading import OurGrading, Regrader
from toxgrade.exports.their_grades import read_their_grades
from toxgrade.exports.their_numbers import read_theirs
from toxgrade.grading.rules import Graders
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.spill import temporary_folder
from toxgrade.tabular.table import apart

_MOST_CONSULTED = 1_000
"""Results of a test or term that are consulted on what their file does not say: evenly spread."""
_IN_BOTH = pl.all_horizontal(pl.col("ours", "theirs").is_not_null())
_EQUAL = _IN_BOTH & pl.col("grade").eq_missing(pl.col("their_grade"))
_NO_TOXICITY = ~_IN_BOTH & (pl.coalesce("grade", "their_grade").fill_null(0) == 0)
"""A grade that is 0 or undecided, on one side alone, contradicts nothing."""
_NOT_REPRODUCED = Explanation("not-reproduced")
_CAUSES = {"cause": pl.String, "their_term": pl.String, "their_edition": pl.String}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison.

    ``agreed``: the number of equal gradings by term. ``differences``: a row per grading that
    differs: the keys, ``term``, ``grade`` (ours), ``at_least``, ``at_most`` (Int8; null: undecided
    or not graded), ``reason``, ``their_grade`` (Int8), ``cause``: a ``Cause`` of
    ``discrepancy_trials``, or ``only-ours``, ``only-theirs`` where the other side has no such
    grading; ``their_term`` and ``their_edition``: what they graded by where that is the cause
    (null: as ours). ``without_key``: our gradings and theirs that are not compared, since a key is
    missing. ``in_both``: the gradings that both have.
    """

    agreed: Mapping[str, int]
    differences: pl.DataFrame
    without_key: tuple[int, int]
    in_both: int


def compare(
    ours: Path,
    theirs: Path,
    keys: Sequence[tuple[str, str]],
    graders: Graders,
    options: ReadOptions = DEFAULT_OPTIONS,
    interpretations: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare a file that ``toxgrade grade`` wrote with another grader's of the same results.

    ``keys``: the columns (ours, theirs) that together identify a result. ``options`` and
    ``interpretations``: how the export was declared when it was graded, where the manifest beside
    it does not say; ``nulls`` hold for the other file too.

    Raises:
        FileError: a file lacks a column, holds a text that is no grade, or the keys are not unique.
        CriteriaError: there is no such interpretation or choice.
    """
    names = [f"key {number}" for number in range(len(keys))]
    our_keys, their_keys = (dict(zip(names, side, strict=True)) for side in zip(*keys, strict=True))
    with temporary_folder() as folder:
        our = read_our_grades(
            ours, our_keys, options, interpretations or {}, graders.criteria, folder
        )
        nulls = tuple(dict.fromkeys([*our.nulls, *options.nulls]))
        directions = _directions(graders.criteria)
        their = read_their_grades(theirs, their_keys, nulls, directions, folder)
    our_rows, their_rows = our.rows.drop_nulls(names), their.rows.drop_nulls(names)
    on = [*names, "side"]
    for frame, file in ((our_rows, ours), (their_rows, theirs)):
        _require_one_each(frame, on, file.name)
    both = our_rows.join(their_rows, on=on, how="full", coalesce=True, maintain_order="left_right")
    regrader = Regrader(graders, our.rules)
    causes = _Causes(Gradings(our, regrader), regrader, both.filter(_IN_BOTH), their.columns)
    differing = both.filter(~_EQUAL & ~_NO_TOXICITY)
    differing = differing.with_columns(causes.of(differing))
    shown = ["term", "grade", "at_least", "at_most", "reason", "their_grade", *_CAUSES]
    renamed = apart([*our_keys.values()], shown)
    key_cols = [pl.col(name).alias(renamed.get(key, key)) for name, key in our_keys.items()]
    return Comparison(
        dict(both.filter(_EQUAL)["term"].value_counts(sort=True).iter_rows()),
        differing.select(*key_cols, *shown),
        (len(our.rows) - len(our_rows), len(their.rows) - len(their_rows)),
        both.filter(_IN_BOTH).height,
    )


def _directions(criteria: Criteria) -> dict[str, Direction]:
    """Return the direction of every term of every edition, by its name in small letters."""
    return {
        " ".join(term.name.lower().split()): term.direction
        for edition in criteria.editions.values()
        for term in edition.terms
    }


def _require_one_each(frame: pl.DataFrame, on: list[str], file: str) -> None:
    """Refuse keys that several gradings share: each would be compared with all of the other's."""
    duplicates = int(frame.select(on).is_duplicated().sum())
    if duplicates:
        text = f"--keys name more than one result in {duplicates:,} gradings; add a column"
        raise FileError(f"{file}: {text}")


class _Causes:
    """The causes of discrepancies, by the results themselves and by all that both have."""

    def __init__(
        self,
        gradings: Gradings,
        regrader: Regrader,
        in_both: pl.DataFrame,
        columns: frozenset[str],
    ) -> None:
        self._gradings, self._regrader = gradings, regrader
        self._in_both, self._columns = in_both, columns

    def of(self, differing: pl.DataFrame) -> pl.DataFrame:
        """Return ``_CAUSES`` of each row that differs, in order."""
        compared = differing.filter(pl.col("ours") & pl.col("theirs"))
        found, tests = [], []
        rows_of_both = compared.iter_rows(named=True)
        for our, row in zip(self._gradings.of(compared), rows_of_both, strict=True):
            theirs = read_theirs(row["their_grade"], row, self._columns)
            found.append([*explain(our, theirs, self._regrader)] if our else [_NOT_REPRODUCED])
            tests.append(_test(our))
        evidence = gather(found, tests, self._agreeing, self._of_test, self._regrader)
        chosen = iter(map(evidence.choose, found, tests))
        rows: list[tuple[str, str | None, str | None]] = []
        for ours, theirs in differing.select("ours", "theirs").iter_rows():
            if theirs is None:
                rows.append(("only-ours", None, None))
            elif ours is None:
                rows.append(("only-theirs", None, None))
            else:
                one = next(chosen)
                rows.append((one.cause, one.term, one.edition))
        return pl.DataFrame(rows, schema=_CAUSES, orient="row")

    def _agreeing(self) -> Iterator[tuple[OurGrading, float]]:
        """Yield gradings that agree, of every term, each with the number for which it stands."""
        agreeing = self._in_both.filter(pl.col("grade") == pl.col("their_grade"))
        for rows in agreeing.partition_by("term"):
            consulted = _spread(rows)
            for our in self._gradings.of(consulted):
                if our:
                    yield our, len(rows) / len(consulted)

    def _of_test(self, test: Test) -> Iterator[Compared]:
        """Yield our grading and their grade of results of a test that both have."""
        analyte, unit = test
        spelt = [
            text
            for text in self._in_both["analyte"].unique().drop_nulls()
            if self._regrader.analyte(text) == analyte
        ]
        of_test = pl.col("analyte").is_in(spelt) & trimmed(pl.col("unit")).eq_missing(pl.lit(unit))
        consulted = _spread(self._in_both.filter(of_test))
        for our, grade in zip(self._gradings.of(consulted), consulted["their_grade"], strict=True):
            if our:
                yield our, grade


def _test(our: OurGrading | None) -> Test:
    return (our.term.analyte, our.result.unit) if our else ("", None)


def _spread(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows at equal distances, at most ``_MOST_CONSULTED``."""
    return rows.gather_every(-(-len(rows) // _MOST_CONSULTED) or 1)
