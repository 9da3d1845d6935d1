"""Grade a lab export: every row comes out, in order, with its grades or its reason."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from app import __version__
from app.batches.files import check_output, sha256, whole, write
from app.batches.labs import Labs, open_labs
from app.batches.layouts import Layout
from app.batches.reading import AS_IT_COMES, Reading
from app.batches.rejects import rejected
from app.batches.tables import LINE
from app.batches.treatment import NO_COURSES, read_patients, treatment_dates
from app.errors import FileError
from app.grading.many import grade_rows
from app.grading.one import Graders
from app.grading.rules import Rules


@dataclass(frozen=True, slots=True)
class Batch:
    """What to grade and where to put it; ``patients`` and ``rejects`` None: not given."""

    labs: Path
    output: Path
    rules: Rules
    patients: Path | None = None
    rejects: Path | None = None
    reading: Reading = AS_IT_COMES


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
    with TemporaryDirectory(prefix="toxgrade-") as name:
        labs = open_labs([batch.labs], Path(name), batch.reading)
        chunks = list(labs.chunks())
        given = pl.concat([chunk.given for chunk in chunks])
        read = pl.concat([chunk.rows for chunk in chunks])
        courses = _courses(labs, read, batch, Path(name))
    rows = read.drop("rt_start", "rt_end").join(
        courses, on="patient", how="left", maintain_order="left"
    )
    graded = grade_rows(rows, grader, batch.rules.window)
    entries = graded.with_columns(edition=pl.lit(grader.edition.name))
    found = rejected(rows, graded, rows[LINE], labs.layout)
    write(_beside(given, entries), batch.output)
    if batch.rejects is not None:
        write(found, batch.rejects)
    report = _report(labs.layout, rows, graded, found)
    _write_manifest(batch, report, grader.edition.sha256)
    return report


def _courses(labs: Labs, rows: pl.DataFrame, batch: Batch, folder: Path) -> pl.DataFrame:
    """The treatment dates from the one place that gives them; none: all unknown."""
    if batch.patients is not None and labs.has_treatment_dates:
        text = "give the treatment dates once: as columns of the labs, or in the patients file"
        raise FileError(f"{batch.labs.name} has rt_start or rt_end beside --patients: {text}")
    if batch.patients is not None:
        return read_patients(batch.patients, batch.reading, folder)[1]
    if not labs.has_treatment_dates:
        return NO_COURSES
    dates = rows.select("patient", start="rt_start", end="rt_end", line=LINE)
    return treatment_dates(dates, ("rt_start", "rt_end"), batch.labs.name)


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
