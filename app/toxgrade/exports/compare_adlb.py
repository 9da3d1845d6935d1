"""Comparison with another grader's data set (ADLB): where the grades agree, and why they differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from toxgrade.criteria.model import Edition
from toxgrade.errors import FileError
from toxgrade.exports.discrepancy_cause import find_cause, read_theirs
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.spill import temporary_folder

_ADAM = ReadOptions(columns=ColumnMap({
    "patient": "USUBJID", "collected": "ADTC", "analyte": "PARAMCD", "value": "AVALC",
    "unit": "AVALU", "lln": "ANRLO", "uln": "ANRHI",
}))  # fmt: skip
_OURS = {"term": "ATOXDSC", "at_least": "ATOXMIN", "at_most": "ATOXMAX", "reason": "ATOXREAS",
         "phase": "APHASE", "edition": "ATOXVER"}  # fmt: skip
_THEIRS = {"value": "AVAL", "unit": "AVALU", "lln": "ANRLO", "uln": "ANRHI", "baseline": "BASE"}
_SIDES, _SIGNED = {"high": "ATOXGRH", "low": "ATOXGRL"}, "ATOXGR"
_GRADE = r" *([+-]?[0-5])(?:\.0*)? *"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison.

    ``agreed``: the number of equal gradings by term. ``differences``: a row per grading that
    differs: the keys, ``term``, ``grade`` (ours), ``at_least``, ``at_most`` (Int8; null: undecided
    or not graded), ``reason``, ``their_grade`` (Int8) and ``cause``: a ``discrepancy_cause.Cause``,
    or ``only-ours``, ``only-theirs`` where the other side has no such grading.
    """

    agreed: Mapping[str, int]
    differences: pl.DataFrame


def compare(
    ours: Path,
    theirs: Path,
    keys: Sequence[tuple[str, str]],
    graders: Graders,
    options: ReadOptions = DEFAULT_OPTIONS,
) -> Comparison:
    """Compare a file that ``toxgrade grade`` wrote with another grader's of the same results.

    ``keys``: the columns (ours, theirs) that together identify a result. Their grades are ATOXGRH
    and ATOXGRL, or ATOXGR with a minus for low values; AVAL, AVALU, ANRLO, ANRHI and BASE are used
    where they exist. ``options``: how the export was declared when it was graded (ignored for a
    file with ADaM's names); its ``nulls`` hold for the other file too.

    Raises:
        FileError: a file lacks a column, holds a text that is no grade, or the keys are not unique.
    """
    with temporary_folder() as folder:
        our_rows = _ours(ours, [key for key, _ in keys], options, folder)
        their_rows = _theirs(theirs, [key for _, key in keys], options.nulls, folder)
    edition = _edition(our_rows, graders, ours.name)
    sides = {term.name: term.direction for term in edition.terms}
    our_rows = our_rows.with_columns(side=pl.col("term").replace_strict(sides, default=None))
    on = [*_key_names(keys), "side"]
    for frame, file in ((our_rows, ours), (their_rows, theirs)):
        _require_one_each(frame, on, file.name)
    both = our_rows.join(their_rows, on=on, how="full", coalesce=True, maintain_order="left_right")
    in_both = pl.all_horizontal(pl.col("ours", "theirs").is_not_null())
    equal = in_both & pl.col("grade").eq_missing(pl.col("their_grade"))
    # A grade that is 0 or undecided, on one side alone, contradicts nothing.
    no_toxicity = ~in_both & (pl.coalesce("grade", "their_grade").fill_null(0) == 0)
    differing = both.filter(~equal & ~no_toxicity)
    causes = _causes(differing, our_rows, graders.for_rules(Rules(edition=edition.name)))
    shown = ["term", "grade", "at_least", "at_most", "reason", "their_grade"]
    key_cols = [pl.col(place).alias(key) for place, (key, _) in zip(on, keys, strict=False)]
    return Comparison(
        dict(both.filter(equal)["term"].value_counts(sort=True).iter_rows()),
        differing.select(*key_cols, *shown, cause=pl.Series(list(causes), dtype=pl.String)),
    )


def _key_names(keys: Sequence[object]) -> list[str]:
    return [f"key {number}" for number in range(len(keys))]


def _ours(path: Path, keys: list[str], options: ReadOptions, folder: Path) -> pl.DataFrame:
    """Return our gradings: the keys, ``COLUMNS`` of the export, the grades, and ``ours`` (true)."""
    adam = "ATOXDSC" in open_table(path, DEFAULT_OPTIONS, folder).columns
    labs = open_labs([path], folder, _ADAM if adam else options)
    given = {name: _OURS[name] if adam else name for name in _OURS}
    _require(labs.columns, [*keys, *given.values()], path.name)
    graded = [pl.col(column).alias(name) for name, column in given.items()]
    key_cols = [pl.col(key).alias(name) for name, key in zip(_key_names(keys), keys, strict=True)]
    rows = pl.concat(
        chunk.rows.select(COLUMNS).hstack(chunk.given.select(*key_cols, *graded))
        for chunk in labs.chunks()
    )
    for name in ("at_least", "at_most"):
        _require_grades(rows[name], "[0-5]", path.name, given[name])
    bounds = [pl.col(name).cast(pl.Int8) for name in ("at_least", "at_most")]
    decided = pl.when(pl.col("at_least") == pl.col("at_most")).then("at_least")
    gradings = rows.drop_nulls("term").with_columns(*bounds, ours=True)
    return gradings.with_columns(grade=decided)


def _theirs(path: Path, keys: list[str], nulls: Sequence[str], folder: Path) -> pl.DataFrame:
    """Return theirs: the keys, ``their_…`` inputs, ``side``, ``their_grade``, ``theirs`` (true)."""
    table = open_table(path, DEFAULT_OPTIONS, folder)
    sides = {side: name for side, name in _SIDES.items() if name in table.columns}
    if not sides and _SIGNED not in table.columns:
        raise FileError(f"{path.name}: the header lacks ATOXGRH and ATOXGRL, or ATOXGR")
    _require(table.columns, keys, path.name)
    inputs = {f"their_{n}": pl.col(c) for n, c in _THEIRS.items() if c in table.columns}
    key_cols = dict(zip(_key_names(keys), map(pl.col, keys), strict=True))
    grades = [*sides.values()] or [_SIGNED]
    others = [column for column in _THEIRS.values() if column in table.columns]
    rows = pl.concat(table.chunks(list(dict.fromkeys([*keys, *grades, *others]))))
    rows = rows.with_columns(pl.col(*grades, *others).replace(list(nulls), None))
    for column in grades:
        _require_grades(rows[column], _GRADE, path.name, column)
    parts = []
    for side in _SIDES:
        if sides and side not in sides:
            continue
        grade = pl.col(sides.get(side, _SIGNED)).str.extract(f"^{_GRADE}$").cast(pl.Int8)
        if not sides:  # 0 counts for both sides.
            grade = pl.when((grade >= 0) if side == "high" else (grade <= 0)).then(grade.abs())
        parts.append(
            rows.select(**key_cols, **inputs, side=pl.lit(side), their_grade=grade, theirs=True)
        )
    found = pl.concat(parts)
    return found.filter(pl.col("their_grade").is_not_null())


def _require(columns: Sequence[str], wanted: Sequence[str], file: str) -> None:
    if missing := [name for name in wanted if name not in columns]:
        raise FileError(f"{file}: the header lacks {', '.join(missing)}")


def _require_grades(texts: pl.Series, pattern: str, file: str, column: str) -> None:
    """Refuse texts that are no grades: they would count as missing, and ours as the only grades."""
    filled = texts.filter(texts.str.strip_chars() != "")
    if invalid := len(filled) - int(filled.str.contains(f"^(?:{pattern})$").sum()):
        text = f"{invalid:,} texts that are no grade from 0 to 5; --null TEXT where one means none"
        raise FileError(f"{file}: {column} holds {text}")


def _require_one_each(frame: pl.DataFrame, on: list[str], file: str) -> None:
    """Refuse keys that several gradings share: each would be compared with all of the other's."""
    duplicates = int(frame.select(on).is_duplicated().sum())
    if duplicates:
        text = f"--keys name more than one result in {duplicates:,} gradings; add a column"
        raise FileError(f"{file}: {text}")


def _edition(our_rows: pl.DataFrame, graders: Graders, file: str) -> Edition:
    editions = our_rows["edition"].unique().to_list()
    if len(editions) != 1:
        raise FileError(f"{file}: expected gradings by one edition of CTCAE")
    return graders.criteria.edition(editions[0])


def _causes(differing: pl.DataFrame, our_rows: pl.DataFrame, grader: TermGrader) -> Iterator[str]:
    """Yield why each row differs, in order."""
    terms = {term.name: term for term in grader.edition.terms}
    relative = [name for name, term in terms.items() if term.uses_baseline]
    baselines = our_rows.filter((pl.col("phase") == "baseline") & pl.col("term").is_in(relative))
    by_patient = {(r["patient"], r["term"]): _lab(r) for r in baselines.iter_rows(named=True)}
    for row in differing.iter_rows(named=True):
        if row["theirs"] is None:
            yield "only-ours"
        elif row["ours"] is None:
            yield "only-theirs"
        else:
            values = {n: row[f"their_{n}"] for n in _THEIRS if f"their_{n}" in row}
            theirs = read_theirs(values | {"grade": row["their_grade"]})
            baseline = by_patient.get((row["patient"], row["term"]))
            yield find_cause(_lab(row), baseline, theirs, terms[row["term"]], grader)


def _lab(row: Mapping[str, Any]) -> LabResult:
    return lab_result({name: row[name] for name in COLUMNS})
