"""A run over an export: its request, its counts, the rows that it rejects, and its manifest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from toxgrade import __version__
from toxgrade.cohort.definition import ReportPhase as Phase
from toxgrade.grading.flags import Reason
from toxgrade.grading.rules import Rules
from toxgrade.tabular.lab_export import ExportChunk
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.output_files import STDOUT, sha256
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.table import CELL, LINE, ROW, Table
from toxgrade.tabular.whole_file import whole


@dataclass(frozen=True, slots=True)
class GradeFileRequest:
    """What to grade and where to write it; None: not given or not wanted.

    ``labs``: paths, patterns or ``-``. ``worst``: a file of the worst grades per patient and term;
    ``table``: one (CSV, JSON, HTML) of the toxicity table, over ``phase``. ``names``: of columns.
    ``ranges``: a file of the study's own reference ranges.
    """

    labs: tuple[str, ...]
    output: Path
    rules: Rules
    patients: Path | None = None
    rejects: Path | None = None
    worst: Path | None = None
    table: Path | None = None
    phase: Phase = "acute"
    options: ReadOptions = DEFAULT_OPTIONS
    names: Literal["own", "adam"] = "own"
    ranges: Path | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The counts of a run.

    ``rows`` of the files, with ``results`` (in a wide export several a row), went in and
    ``entries`` (a row for each term of its analyte) came out; ``graded`` have a grade,
    ``undecided`` counts the others by reason. ``phase_unknown`` counts those with a grade or
    bounds, but without a phase, by reason (``Unplaced``). ``rejected`` rows, of
    ``rejected_results``, cannot be read as they are; results ``without_patient`` are among them.
    ``headers`` were repeated header rows, left out. Results are counted by names that are not
    known: ``unknown_analytes``, and ``unknown_units`` by unit and analyte; ``unreadable`` values,
    dates and limits by their pattern, such as ``99.99.9999``; ``other_years`` dates that are
    outside the accepted years. Results dated ``after_death`` are rejected; those of
    ``unlikely_dates`` are graded, but say nothing of follow-up. ``filled`` results are of rows that
    were filled down. ``cleaned``: values that a declared cleaning changed, by their look before and
    after.
    ``other_specimens`` are of gradings that are no blood's; ``sign_columns`` were not read and hold
    nothing but signs such as <, ``specimen_columns`` were not and name other specimens than blood.
    ``without_dates`` patients have no treatment dates; ``look_alikes`` differ from another only by
    case, blanks or a final .0.
    ``dates_from``: the labs' own columns of treatment dates. ``read_as``: how each file was read.
    ``study_ranges``: results that took their range from the file of the study; None: no such file.
    ``uncertain_baselines``: gradings by their flag ``baseline-ambiguous``, ``baseline-may-differ``.
    ``other_baselines``: rows (declared, by date) where the declared baseline is not the one that
    the date rule would choose. ``behind_apostrophe``: texts of CSV and TSV, by column, before
    which an apostrophe was written, because a spreadsheet would run them as formulas.
    """

    layout: str
    rows: int
    results: int
    headers: int
    entries: int
    graded: int
    undecided: Mapping[str, int]
    rejected: int
    rejected_results: int
    without_patient: int
    unknown_analytes: Mapping[str, int]
    unknown_units: Mapping[str, Mapping[str, int]]
    other_specimens: Mapping[str, int]
    sign_columns: tuple[str, ...]
    specimen_columns: tuple[str, ...]
    unreadable: Mapping[str, Mapping[str, int]]
    other_years: Mapping[str, int]
    after_death: int
    unlikely_dates: int
    filled: int
    study_ranges: int | None
    cleaned: Mapping[str, int]
    phase_unknown: Mapping[str, int]
    patients: int
    without_dates: int
    look_alikes: int
    dates_from: tuple[str, str] | None
    read_as: Mapping[str, str]
    uncertain_baselines: Mapping[str, int]
    other_baselines: tuple[tuple[int, int], ...]
    behind_apostrophe: Mapping[str, int]


COLUMN_OF = {
    Reason.MISSING_PATIENT: "patient",
    Reason.AFTER_DEATH: "collected",
    Reason.UNKNOWN_ANALYTE: "analyte",
    Reason.MISSING_VALUE: "value",
    Reason.UNREADABLE_VALUE: "value",
    Reason.UNREADABLE_DATE: "collected",
    Reason.MISSING_UNIT: "unit",
    Reason.UNKNOWN_UNIT: "unit",
    Reason.IMPLAUSIBLE_VALUE: "value",
}
"""The column because of which a row cannot be read, by reason. A cancelled result, or one without
limits, can be read: it is not here."""


NOTHING_REJECTED = pl.DataFrame(
    schema={
        "file": pl.String, "line": pl.Int64, "row": pl.Int64, "column": pl.String,
        "reason": pl.String,
    }
)  # fmt: skip


def rejected(
    chunk: ExportChunk, graded: pl.DataFrame, places: pl.Series, layout: Layout
) -> pl.DataFrame:
    """Return ``file``, ``line`` in it, ``row`` of all files (both from 1), ``column`` of the input
    and ``reason``; no values. In a wide export a fault without its own column gets the value's.

    ``graded`` is ``ColumnGrader``'s, ``places`` its rows' places in the piece.
    """
    names = {reason.value: layout.named.get(column, column) for reason, column in COLUMN_OF.items()}
    reasons = graded["reason"]
    found = reasons.is_in(list(names)).arg_true()
    rows = pl.DataFrame({"reason": reasons[found].cast(pl.String), "place": places[found]})
    rows = rows.unique("place", keep="first", maintain_order=True).with_columns(
        column=pl.col("reason").replace_strict(names, return_dtype=pl.String)
    )
    if CELL in chunk.rows.columns:
        cell = chunk.rows[CELL].gather(rows["place"])
        has_column = pl.col("column").is_in(list(layout.named.values()))
        rows = rows.with_columns(column=pl.when(has_column).then("column").otherwise(cell))
    return rows.select(
        pl.lit(chunk.table.name).alias("file"),
        chunk.rows[LINE].gather(rows["place"]).alias("line"),
        (chunk.rows[ROW].gather(rows["place"]) + 1).alias("row"),
        "column",
        "reason",
    )


def write_manifest(
    request: GradeFileRequest, report: RunSummary, inputs: Sequence[Table], criteria: str
) -> None:
    """Write ``OUT.manifest.json``: hashes, versions, options, counts; nothing for stdout."""
    if request.output == STDOUT:
        return
    wanted = (request.output, request.rejects, request.worst, request.table)
    outputs = [path for path in wanted if path is not None]
    document = {
        "software": f"toxgrade {__version__}",
        "polars": pl.__version__,
        "criteria_sha256": criteria,
        "rules": request.rules.document(),
        "dictionary_sha256": request.rules.dictionary.sha256 if request.rules.dictionary else None,
        "reading": asdict(request.options),
        "inputs": {table.name: table.sha256 for table in inputs},
        "outputs": {path.name: sha256(path) for path in outputs},
        "counts": asdict(report),
    }
    manifest = request.output.with_name(f"{request.output.name}.manifest.json")
    with whole(manifest) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
