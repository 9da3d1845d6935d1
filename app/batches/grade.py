"""Grade a lab export: every row comes out, in order, with its grades or its reason."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from app import __version__
from app.batches.files import check_output, line_numbers, read_csv, sha256, whole, write
from app.batches.layouts import OWN, Layout, patient_columns, recognise
from app.batches.rejects import rejected
from app.batches.treatment import treatment_dates
from app.errors import FileError
from app.grading.many import grade_rows
from app.grading.one import Graders
from app.grading.rules import Rules

_UNKNOWN_COURSE = {"patient": pl.String, "rt_start": pl.Date, "rt_end": pl.Date}


@dataclass(frozen=True, slots=True)
class Batch:
    """What to grade and where to put it; ``patients`` and ``rejects`` None: not given."""

    labs: Path
    output: Path
    rules: Rules
    patients: Path | None = None
    rejects: Path | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a batch.

    ``rows`` went in and ``entries`` (a row for each term of its analyte) came out; ``graded`` have
    a grade, ``undecided`` counts the others by reason. ``rejected`` rows cannot be read as they
    are. ``unknown_analytes`` and ``unknown_units`` count rows by what they were called.
    ``without_dates`` patients have no treatment dates.
    """

    layout: str
    rows: int
    entries: int
    graded: int
    undecided: Mapping[str, int]
    rejected: int
    unknown_analytes: Mapping[str, int]
    unknown_units: Mapping[str, int]
    patients: int
    without_dates: int


def grade_file(batch: Batch, graders: Graders) -> Report:
    """Grade ``batch.labs`` into ``batch.output``, beside it ``….manifest.json``.

    Raises:
        FileError: a file that cannot be used as it is; nothing is written then.
        CriteriaError: there is no such edition.
    """
    grader = graders.under(batch.rules)
    for path in (batch.output, batch.rejects):
        if path is not None:
            check_output(path)
    labs = read_csv(batch.labs)
    layout = recognise(labs.columns, batch.labs.name)
    courses = _courses(labs, layout, batch)
    rows = layout.rows(labs).join(courses, on="patient", how="left", maintain_order="left")
    graded = grade_rows(rows, grader, batch.rules.window)
    entries = graded.with_columns(edition=pl.lit(grader.edition.name))
    found = rejected(rows, graded, line_numbers(labs), layout)
    write(_beside(labs, entries), batch.output)
    if batch.rejects is not None:
        write(found, batch.rejects)
    report = _report(layout, rows, graded, found)
    _write_manifest(batch, report, grader.edition.sha256)
    return report


def _courses(labs: pl.DataFrame, layout: Layout, batch: Batch) -> pl.DataFrame:
    """The treatment dates from the one place that gives them; none: all unknown."""
    in_labs = layout is OWN and {"rt_start", "rt_end"} & set(labs.columns)
    if batch.patients is None and not in_labs:
        return pl.DataFrame(schema=_UNKNOWN_COURSE)
    if batch.patients is None:
        absent = [name for name in OWN.patients if name not in labs.columns]
        nothing = [pl.lit(None, dtype=pl.String).alias(name) for name in absent]
        return treatment_dates(labs.with_columns(nothing), OWN.patients, batch.labs.name)
    if in_labs:
        text = "give the treatment dates once: as columns of the labs, or in the patients file"
        raise FileError(f"{batch.labs.name} has rt_start or rt_end beside --patients: {text}")
    patients, name = read_csv(batch.patients), batch.patients.name
    return treatment_dates(patients, patient_columns(patients.columns, name), name)


def _beside(labs: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """The input columns, then ours; an input column with one of our names becomes ``in_NAME``."""
    ours = entries.with_columns(pl.col("row") + 1, pl.col("flags").replace("", None))
    renamed = {name: f"in_{name}" for name in labs.columns if name in ours.columns}
    return pl.concat([labs[entries["row"]].rename(renamed), ours], how="horizontal")


def _report(
    layout: Layout, rows: pl.DataFrame, graded: pl.DataFrame, found: pl.DataFrame
) -> Report:
    reasons = graded["reason"].drop_nulls()
    by_row = graded.unique("row", keep="first", maintain_order=True)

    def called(reason: str, column: str) -> dict[str, int]:
        of_rows = by_row.filter(pl.col("reason") == reason)["row"]
        return _counts(rows[column].gather(of_rows).fill_null(""))

    patients = rows.unique("patient").filter(pl.col("patient").is_not_null())
    undated = patients.filter(pl.col("rt_start").is_null() & pl.col("rt_end").is_null())
    return Report(
        layout=layout.name,
        rows=len(rows),
        entries=len(graded),
        graded=graded["grade"].count(),
        undecided=_counts(reasons),
        rejected=found["row"].n_unique(),
        unknown_analytes=called("unknown-analyte", "analyte"),
        unknown_units=called("unknown-unit", "unit"),
        patients=len(patients),
        without_dates=len(undated),
    )


def _counts(texts: pl.Series) -> dict[str, int]:
    """How often each text occurs, the most frequent first."""
    counted = texts.alias("text").value_counts().sort(["count", "text"], descending=[True, False])
    return dict(counted.iter_rows())


def _write_manifest(batch: Batch, report: Report, criteria: str) -> None:
    """What went in, under which rules, what came out: enough to repeat it and compare."""
    inputs = [path for path in (batch.labs, batch.patients) if path is not None]
    outputs = [path for path in (batch.output, batch.rejects) if path is not None]
    document = {
        "software": f"toxgrade {__version__}",
        "criteria_sha256": criteria,
        "rules": asdict(batch.rules),
        "inputs": {path.name: sha256(path) for path in inputs},
        "outputs": {path.name: sha256(path) for path in outputs},
        "counts": asdict(report),
    }
    manifest = batch.output.with_name(f"{batch.output.name}.manifest.json")
    with whole(manifest) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
