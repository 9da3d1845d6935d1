"""The file that ``toxgrade grade`` wrote, read back: what was graded, by which rules, and how."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import polars as pl

from toxgrade.criteria.model import Criteria, Edition
from toxgrade.errors import FileError
from toxgrade.exports.regrading import OurGrading, Regrader
from toxgrade.exports.their_grades import key, require, require_grades
from toxgrade.grading.fields import ADAM_NAMES, FILE_COLUMNS
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Rules
from toxgrade.tabular.declared_options import from_fields
from toxgrade.tabular.formulas import as_written
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions

_ADAM = ReadOptions(columns=ColumnMap({
    "patient": "USUBJID", "collected": "ADTC", "analyte": "PARAMCD", "value": "AVALC",
    "unit": "AVALU", "lln": "ANRLO", "uln": "ANRHI",
}))  # fmt: skip
_READ = ("term", "at_least", "at_most", "reason", "phase", "edition")
_BEFORE = ("baseline", "pre_treatment")


@dataclass(frozen=True, slots=True)
class _Declared:
    """The rules that an export was graded by, and how it was read."""

    rules: Rules
    options: ReadOptions


@dataclass(frozen=True, slots=True)
class OurGrades:
    """Our gradings. ``rules``: those that they were made by; the window is in their phases.

    ``rows``: one for each grading: the keys, ``COLUMNS`` of the export, ``term``, ``side`` (high or
    low), ``grade``, ``at_least``, ``at_most`` Int8, ``reason``, ``phase`` and ``ours`` (true).
    """

    rows: pl.DataFrame
    rules: Rules
    nulls: tuple[str, ...]


def read_our_grades(
    path: Path,
    keys: Mapping[str, str],
    options: ReadOptions,
    interpretations: Mapping[str, str],
    criteria: Criteria,
    folder: Path,
) -> OurGrades:
    """Read what ``toxgrade grade`` wrote; its manifest, if it lies beside, says how.

    ``keys``: the name of each key, and our column. ``options`` and ``interpretations``: what is
    declared; it goes before the manifest's.

    Raises:
        FileError: the file is not one that ``toxgrade grade`` wrote by one edition, or an entry of
            the site's dictionary is not understood.
    """
    table = open_table(path, DEFAULT_OPTIONS, folder)
    declared = _read_manifest(path, table.sha256)
    adam = ADAM_NAMES["term"] in table.columns
    options = _options(options, declared, table.columns)
    if options.columns.wide and not adam:
        text = "a wide export does not say which of its columns a grade is of"
        raise FileError(f"{path.name}: {text}; grade it with --names adam to compare it")
    named = {name: ADAM_NAMES[name] if adam else name for name in _READ}
    require(table.columns, [*keys.values(), *named.values()], path.name)
    columns = {name: key(column) for name, column in keys.items()}
    columns |= {name: pl.col(column).cast(pl.String) for name, column in named.items()}
    labs = open_labs([path], folder, _ADAM if adam else options)
    rows = pl.concat(
        as_written(chunk.rows.select(COLUMNS), table.kind).hstack(
            as_written(chunk.given, table.kind).select(**columns)
        )
        for chunk in labs.chunks()
    ).drop_nulls("term")
    for name in ("at_least", "at_most"):
        require_grades(rows[name], "[0-5]", path.name, named[name])
    edition = _edition(rows, criteria, path.name)
    sides = {term.name: term.direction for term in edition.terms}
    bounds = [pl.col(name).cast(pl.Int8, strict=False) for name in ("at_least", "at_most")]
    rows = rows.with_columns(
        *bounds, side=pl.col("term").replace_strict(sides, default=None), ours=True
    )
    decided = pl.when(pl.col("at_least") == pl.col("at_most")).then("at_least")
    rules = declared.rules if declared else Rules(edition=edition.name).under(edition)
    rules = _as_declared(rules, interpretations, options, edition, criteria)
    return OurGrades(rows.with_columns(grade=decided), rules, options.nulls)


def _read_manifest(output: Path, sha256: str) -> _Declared | None:
    """Return what ``OUT.manifest.json`` says of ``output``, whose SHA-256 is ``sha256``.

    None: there is no manifest, or it is of another file or version. How the input was packed
    (format, encoding, delimiter, sheet) is left out: the output is packed in a way of its own.
    """
    try:
        content = output.with_name(f"{output.name}.manifest.json").read_text("utf-8")
        document = json.loads(content)
        if document["outputs"][output.name] != sha256:
            return None
        options = from_fields(document["reading"])
        rules = Rules.from_document(document["rules"])
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return _Declared(
        rules, replace(options.of_patients(), kind=None, encoding=None, delimiter=None, sheet=None)
    )


def _options(given: ReadOptions, declared: _Declared | None, header: Sequence[str]) -> ReadOptions:
    """Return how the export was read: as given, else as the manifest says.

    A column that grading renamed, since it has one of that name itself, is found under its new one.
    """
    if declared is not None:
        changed = {
            field.name: getattr(given, field.name)
            for field in fields(ReadOptions)
            if field.name != "nulls"
            and getattr(given, field.name) != getattr(DEFAULT_OPTIONS, field.name)
        }
        given = replace(declared.options, **changed)
    columns = {name: _renamed(column, header) for name, column in given.columns.columns.items()}
    return replace(given, columns=replace(given.columns, columns=columns))


def _renamed(column: str, header: Sequence[str]) -> str:
    while column in ("row", *FILE_COLUMNS) and f"in_{column}" in header:
        column = f"in_{column}"
    return column


def _as_declared(
    rules: Rules, interpretations: Mapping[str, str], options: ReadOptions, edition: Edition,
    criteria: Criteria,
) -> Rules:  # fmt: skip
    """Return rules with what is declared in place of theirs."""
    chosen = tuple(sorted((dict(rules.interpretations) | dict(interpretations)).items()))
    names = options.columns.site_names(criteria.analytes.values()) or rules.dictionary
    return replace(rules, edition=edition.name, interpretations=chosen, dictionary=names)


def _edition(rows: pl.DataFrame, criteria: Criteria, file: str) -> Edition:
    editions = rows["edition"].unique().to_list()
    if len(editions) != 1:
        raise FileError(f"{file}: expected gradings by one edition of CTCAE")
    return criteria.edition(editions[0])


class Gradings:
    """Our gradings one by one, each with the baseline that it was compared with."""

    def __init__(self, ours: OurGrades, regrader: Regrader) -> None:
        self._regrader, self._edition = regrader, ours.rules.edition
        self._baselines = ours.rows.filter(pl.col("phase") == "baseline")
        self._terms = {(term.name, term.analyte): term for term in regrader.own_edition.terms}

    def of(self, rows: pl.DataFrame) -> Iterator[OurGrading | None]:
        """Yield each row of ours as a grading; None: it is not of that term's test."""
        patients = rows.select("patient").unique()
        found = self._baselines.join(patients, on="patient", how="semi")
        baselines = {
            (row["patient"], row["term"], self._regrader.analyte(row["analyte"])): _lab(row)
            for row in found.iter_rows(named=True)
        }
        for row in rows.iter_rows(named=True):
            analyte = self._regrader.analyte(row["analyte"])
            term = self._terms.get((row["term"], analyte or ""))
            baseline = baselines.get((row["patient"], row["term"], analyte))
            bounds, before = (row["at_least"], row["at_most"]), row["phase"] in _BEFORE
            yield (
                OurGrading(_lab(row), term, self._edition, baseline, before, bounds)
                if term
                else None
            )


def _lab(row: Mapping[str, str | None]) -> LabResult:
    return lab_result({name: row[name] for name in COLUMNS})
