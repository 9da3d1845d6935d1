"""The worst grades of every patient of an export, and the toxicity table of them."""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import reduce
from itertools import groupby
from operator import itemgetter, or_
from pathlib import Path

import polars as pl

from toxgrade.cohort.definition import LIVER_ENZYMES, Scope, definition_text, paper_rows
from toxgrade.cohort.table_document import WRITERS, LeftOut, counted_document
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.cohort.worst import Bounds, CohortPatient, highest
from toxgrade.criteria.model import Edition
from toxgrade.errors import FileError
from toxgrade.grading.flags import Reason
from toxgrade.grading.phase import Window
from toxgrade.grading.result import Course
from toxgrade.grading.summary import worse
from toxgrade.tabular.output_files import whole

PHASES = ("baseline", "acute", "late")
_NO_NUMBER, _UNSEEN = -1, -2  # A cell with results but no number; a cell without results.
_COUNTED = ("who", "term", "phase", "at_least", "at_most", "last", "reason")
_LEFT_OUT = [Reason.NOT_FINAL.value, Reason.AFTER_DEATH.value]
_DAY = {"who": pl.Int64, "last": pl.Date}


class Worst:
    """Gathers the highest grades of each patient, term and phase, piece by piece.

    Each of these has a cell at a computed place. For thirty million rows this adds 1.2 CPU seconds
    to a run without worst grades; grouping the rows added 3.6. The cells of a term lie together and
    are made when the term first occurs. ``patients``: their number; ``with_days``: the last day of
    each patient is gathered too.
    """

    def __init__(self, patients: int, *, with_days: bool) -> None:
        self._patients = patients
        self._terms = self._phases = pl.Enum([])
        self._order: list[int] = []  # Terms by place in the Enum, in the cells' order.
        self._least, self._most = (pl.Series(dtype=pl.Int8) for _ in range(2))
        self._decided = pl.Series(dtype=pl.Boolean)
        self._days = [pl.DataFrame(schema=_DAY)] if with_days else None

    def add(self, graded: pl.DataFrame) -> None:
        """Add a piece that ``ColumnGrader.grade`` gave; a result that is not final, or
        dated after death, does not count.
        """
        self._terms, self._phases = (_enum(graded[name]) for name in ("term", "phase"))
        counted = graded.select(_COUNTED).filter(
            pl.col("who").is_not_null()
            & pl.col("term").is_not_null()
            & ~pl.col("reason").is_in(_LEFT_OUT).fill_null(False)
        )
        cells, least, most = self._cells(counted), counted["at_least"], counted["at_most"]
        _lift(self._least, cells, least.fill_null(_NO_NUMBER))
        decided = (least == most).fill_null(False)
        new = decided & ~self._decided.gather(cells)
        self._decided.scatter(cells.filter(new), True)
        # Decided grades have equal bounds: only undecided ones need an upper bound of their own.
        _lift(self._most, cells.filter(~decided), most.filter(~decided).fill_null(_NO_NUMBER))
        if self._days is not None:
            days = pl.concat([*self._days, counted.select("who", "last")])
            self._days = [days.group_by("who").agg(pl.col("last").max())]

    def _cells(self, counted: pl.DataFrame) -> pl.Series:
        """Return the cell of each row; cells of terms that are new are made."""
        phases = len(self._phases.categories)
        term, phase = counted["term"].to_physical(), counted["phase"].to_physical()
        if new_terms := set(term.unique()) - set(self._order):
            added = len(new_terms) * self._patients * phases
            self._order += sorted(new_terms)
            for cells, empty in (
                (self._least, _UNSEEN), (self._most, _UNSEEN), (self._decided, False)
            ):  # fmt: skip
                cells.append(pl.repeat(empty, added, dtype=cells.dtype, eager=True))
                cells.rechunk(in_place=True)
        starts = pl.repeat(0, len(self._terms.categories), dtype=pl.Int64, eager=True)
        starts = starts.scatter(self._order, range(len(self._order))) * self._patients * phases
        return starts.gather(term) + counted["who"] * phases + phase

    def bounds(self, patients: pl.Series) -> pl.DataFrame:
        """Return one row per patient and term, sorted by them: ``patient`` String, ``term`` Enum,
        and for each of ``PHASES`` ``…_least``, ``…_most`` (Int8, null: no number) and ``…_decided``
        (Boolean, null: no result counts).

        ``patients``: their names by number.
        """
        cells = pl.DataFrame({"least": self._least, "most": self._most, "decided": self._decided})
        names = self._phases.categories
        phases = {name: cells.gather_every(len(names), at) for at, name in enumerate(names)}
        # Cells are in order of term and patient; the output is in order of patient's name and term.
        seen = reduce(or_, (phase["least"] > _UNSEEN for phase in phases.values()))
        terms = pl.Series(self._order, dtype=pl.Int64)
        numbers = pl.int_range(len(seen), eager=True)
        who = patients.arg_sort().cast(pl.Int64).gather(numbers // max(len(terms), 1))
        block = terms.arg_sort().cast(pl.Int64).gather(numbers % max(len(terms), 1))
        place = block * self._patients + who
        is_seen = seen.gather(place)
        place, who, block = (column.filter(is_seen) for column in (place, who, block))
        term = terms.gather(block).cast(pl.UInt8).cat.to(self._terms)
        return pl.DataFrame({"patient": patients.gather(who), "term": term}).hstack(
            [column for name in PHASES for column in phases[name][place].select(_columns(name))]
        )

    def last_days(self, patients: pl.Series) -> dict[str, date]:
        """Return the last likely day of a result of each patient who has one, by name."""
        assert self._days is not None, "the days were not asked for"
        days = self._days[0].drop_nulls()
        return dict(zip(patients.gather(days["who"]), days["last"], strict=True))


def _lift(cells: pl.Series, places: pl.Series, values: pl.Series) -> None:
    """Raise those of ``cells`` at ``places`` that are below ``values``; a place may occur twice."""
    higher = cells.gather(places) < values  # After the first pieces these are few.
    places, values = places.filter(higher), values.filter(higher)
    for value in values.unique().sort():
        found = places.filter(values == value)
        cells.scatter(found.filter(cells.gather(found) < value), value)


def _enum(column: pl.Series) -> pl.Enum:
    assert isinstance(column.dtype, pl.Enum), "terms and phases are told as Enum"
    return column.dtype


def _columns(phase: str) -> tuple[pl.Expr, ...]:
    """Return the columns of a phase, null where there is no number or no result was seen."""
    least, most = pl.col("least"), pl.max_horizontal("least", "most")
    return (
        pl.when(least > _NO_NUMBER).then(least).alias(f"{phase}_least"),
        pl.when(most > _NO_NUMBER).then(most).alias(f"{phase}_most"),
        pl.when(least > _UNSEEN).then("decided").alias(f"{phase}_decided"),
    )


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
    least, most = pl.col(f"{phase}_least"), pl.col(f"{phase}_most")
    before_least, before_most = pl.col("baseline_least"), pl.col("baseline_most")
    known = pl.all_horizontal(c.is_not_null() for c in (least, most, before_least, before_most))
    return (
        pl.when(known & (least > before_most))
        .then(True)
        .when(known & (most <= before_least))
        .then(False)
    )


_PATIENT = itemgetter("patient", "rt_start", "rt_end")
_BOUNDS = ("least", "most", "decided")


def check_table(path: Path) -> None:
    """Refuse a file for the table that could not be written, before the work is done.

    Raises:
        FileError: the suffix is of no format that is written.
    """
    if path.suffix not in WRITERS:
        raise FileError(f"{path.name}: the table is {', '.join(WRITERS)}")


def write_table(
    path: Path, bounds: pl.DataFrame, days: Mapping[str, date], courses: pl.DataFrame,
    edition: Edition, window: Window, scope: Scope,
) -> None:  # fmt: skip
    """Write the toxicity table of the laboratory rows, counted as for a stored study.

    ``bounds`` and ``days`` are those of ``Worst.bounds`` and ``Worst.last_days``, ``courses`` the
    columns of ``treatment_dates``. Clinicians' grades are in no export: their rows are left out, as
    without an event they would count as grade 0.
    """
    rows = tuple(row for row in paper_rows(edition, LIVER_ENZYMES) if not row.clinical)
    patients = _patients(bounds, days, courses, scope)
    counted = toxicity_table(patients, rows, scope, window)
    document = counted_document(
        counted, definition_text(edition, window, rows, scope), (), LeftOut()
    )
    with whole(path) as unfinished:
        unfinished.write_text(WRITERS[path.suffix](document), encoding="utf-8")


def _patients(
    bounds: pl.DataFrame, days: Mapping[str, date], courses: pl.DataFrame, scope: Scope
) -> Iterator[CohortPatient]:
    """Yield every patient of the export by name, those of whom no result counts included."""
    everyone = courses.sort("patient").join(bounds, on="patient", how="left", maintain_order="left")
    for (name, start, end), rows in groupby(everyone.iter_rows(named=True), _PATIENT):
        windows: dict[str, dict[str, Bounds]] = {phase: {} for phase in PHASES}
        for row in rows:
            for phase, terms in windows.items():
                if row[f"{phase}_decided"] is not None:
                    terms[row["term"]] = Bounds(*(row[f"{phase}_{side}"] for side in _BOUNDS))
        baseline, worst = windows["baseline"], dict[str, Bounds]()
        for phase in scope.phases:
            for term, one in windows[phase].items():
                before = baseline.get(term)
                is_worse = worse(one.at_least, one.at_most, before) if before else None
                one = Bounds(one.at_least, one.at_most, one.decided, is_worse)
                worst[term] = highest([one, worst[term]]) or one if term in worst else one
        yield CohortPatient(name, baseline, worst, Course(start, end), seen_until=days.get(name))
