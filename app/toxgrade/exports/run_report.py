"""What a data manager asks to be graded."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from toxgrade import __version__
from toxgrade.cohort.definition import ReportPhase as Phase
from toxgrade.grading.columns.parse import read_column
from toxgrade.grading.parse import read_limit
from toxgrade.grading.result import Flag, Reason
from toxgrade.grading.rules import Rules
from toxgrade.tabular.lab_export import ExportChunk
from toxgrade.tabular.layouts import SIGNS_SWAPPED, Layout
from toxgrade.tabular.output_files import STDOUT, sha256, whole
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.table import CELL, LINE, ROW, Table


@dataclass(frozen=True, slots=True)
class GradeFileRequest:
    """What to grade and where to put it; None: not given or not wanted.

    ``labs``: paths, patterns or ``-``. ``worst``: a file of the worst grades per patient and term;
    ``table``: one (CSV, JSON, HTML) of the toxicity table, over ``phase``.
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


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What came of a batch.

    ``rows`` went in and ``entries`` (a row for each term of its analyte) came out; ``graded`` have
    a grade, ``undecided`` counts the others by reason. ``rejected`` rows cannot be read as they
    are. ``unknown_analytes`` and ``unknown_units`` count rows by what they were called,
    ``unreadable`` their values, dates and limits by what they look like, such as ``99.99.9999``.
    ``without_dates`` patients have no treatment dates. ``read_as``: how each file was read.
    ``other_baselines``: rows (declared, by date) where a declared baseline is not the one that the
    date rule would choose.
    """

    layout: str
    rows: int
    entries: int
    graded: int
    undecided: Mapping[str, int]
    rejected: int
    unknown_analytes: Mapping[str, int]
    unknown_units: Mapping[str, int]
    unreadable: Mapping[str, Mapping[str, int]]
    patients: int
    without_dates: int
    read_as: Mapping[str, str]
    other_baselines: tuple[tuple[int, int], ...]


_TOLD_OF = {
    "unknown-analyte": "analyte", "unknown-unit": "unit",
    "unreadable-value": "value", "unreadable-date": "collected",
}  # fmt: skip
"""The reasons, and the column whose text is told with each."""
UNREADABLE = ("value", "limit", "date")
_LOOKS = 20  # characters of what a text looks like


class Tally:
    """Counts what ``RunSummary`` tells; of every piece, in any order.

    ``decimal``: the declared sign, of which the pieces have made a point.
    """

    def __init__(self, decimal: str) -> None:
        self.rows = self.entries = self.graded = self.rejected = 0
        self._decimal = decimal
        self._reasons: Counter[str] = Counter()
        self._told: dict[str, Counter[str]] = {}

    def add(self, chunk: ExportChunk, graded: pl.DataFrame, place: pl.Series) -> None:
        """``graded`` as ``ColumnGrader`` gives it; ``place``: its rows' places in the piece."""
        self.rows += len(chunk.rows)
        self.entries += len(graded)
        self.graded += graded["grade"].count()
        reasons = _counts(graded["reason"])
        self._reasons.update(reasons)
        for reason in _TOLD_OF.keys() & reasons:
            here = place.filter((graded["reason"] == reason).fill_null(False)).unique()
            self._tell(reason, chunk.rows[_TOLD_OF[reason]].gather(here))
        self._tell_limits(chunk.rows, graded["flags"], place)

    def _tell_limits(self, rows: pl.DataFrame, flags: pl.Series, place: pl.Series) -> None:
        flag = Flag.UNREADABLE_LIMIT.value
        if not flags.unique().cast(pl.String).str.contains(flag).any():
            return
        here = place.filter(flags.cast(pl.String).str.contains(flag).fill_null(False)).unique()
        for column in ("lln", "uln"):
            texts = rows[column].gather(here).cast(pl.String)
            self._tell(flag, texts.filter(read_column(texts, read_limit).unreadable))

    def _tell(self, reason: str, texts: pl.Series) -> None:
        """Count texts; a patient's as what they look like, every digit a 9, every letter an a."""
        texts = texts.cast(pl.String).fill_null("")
        if reason.startswith("unreadable"):
            if self._decimal == "," and reason != "unreadable-date":
                texts = texts.str.replace_many(*SIGNS_SWAPPED)
            texts = texts.str.replace_all("[0-9]", "9").str.replace_all(r"\p{L}", "a")
            texts = texts.str.slice(0, _LOOKS)
        self._told.setdefault(reason, Counter()).update(_counts(texts))

    @property
    def undecided(self) -> dict[str, int]:
        return _ordered(self._reasons)

    def told(self, reason: str) -> dict[str, int]:
        """How rows with this reason, or flag, called their analyte or unit; what their value, date
        or limit looks like.
        """
        return _ordered(self._told.get(reason, Counter()))


def _counts(texts: pl.Series) -> dict[str, int]:
    counted = texts.drop_nulls().cast(pl.String).alias("text").value_counts(name="n")
    return dict(counted.iter_rows())


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


COLUMN_OF = {
    Reason.UNKNOWN_ANALYTE: "analyte",
    Reason.MISSING_VALUE: "value",
    Reason.UNREADABLE_VALUE: "value",
    Reason.UNREADABLE_DATE: "collected",
    Reason.MISSING_UNIT: "unit",
    Reason.UNKNOWN_UNIT: "unit",
    Reason.IMPLAUSIBLE_VALUE: "value",
}
"""The column that keeps a row from being read. A cancelled result, or one whose limits are missing,
is read: it is not here."""


NOTHING_REJECTED = pl.DataFrame(
    schema={
        "file": pl.String, "line": pl.Int64, "row": pl.Int64, "column": pl.String,
        "reason": pl.String,
    }
)  # fmt: skip


def rejected(
    chunk: ExportChunk, graded: pl.DataFrame, place: pl.Series, layout: Layout
) -> pl.DataFrame:
    """``file``, ``line`` in it, ``row`` of all (both from 1), ``column`` (the input's name) and
    ``reason``; no values. Of a wide export ``column`` is that of the value, whatever is wrong.

    ``graded`` as ``ColumnGrader`` gives it, ``place``: its rows' places in the piece. A row without
    a patient is here with ``missing-patient``: it is graded, but has neither baseline nor phase.
    """
    names = {reason.value: layout.named.get(column, column) for reason, column in COLUMN_OF.items()}
    reasons = graded["reason"]
    here = reasons.is_in(list(names)).arg_true()
    unread = pl.DataFrame({"reason": reasons[here].cast(pl.String), "place": place[here]}).unique(
        "place", keep="first"
    )
    unread = unread.with_columns(
        column=pl.col("reason").replace_strict(names, return_dtype=pl.String)
    )
    nobody = chunk.rows["patient"].is_null().arg_true().cast(pl.Int64)
    unnamed = pl.DataFrame({"place": nobody}).with_columns(
        reason=pl.lit("missing-patient"), column=pl.lit(layout.named.get("patient", "patient"))
    )
    both = pl.concat([unread, unnamed.select(unread.columns)]).sort("place", "reason")
    if CELL in chunk.rows.columns:
        cell = chunk.rows[CELL].gather(both["place"])
        named = pl.col("column").is_in(list(layout.named.values()))
        both = both.with_columns(column=pl.when(named).then("column").otherwise(cell))
    return both.select(
        pl.lit(chunk.table.name).alias("file"),
        chunk.rows[LINE].gather(both["place"]).alias("line"),
        (chunk.rows[ROW].gather(both["place"]) + 1).alias("row"),
        "column",
        "reason",
    )


def write_manifest(
    batch: GradeFileRequest, report: RunSummary, inputs: Sequence[Table], criteria: str
) -> None:
    """Write ``OUT.manifest.json``: hashes, versions, options, counts; none beside stdout."""
    if batch.output == STDOUT:
        return
    wanted = (batch.output, batch.rejects, batch.worst, batch.table)
    outputs = [path for path in wanted if path is not None]
    document = {
        "software": f"toxgrade {__version__}",
        "polars": pl.__version__,
        "criteria_sha256": criteria,
        "rules": batch.rules.document(),
        "reading": asdict(batch.options),
        "inputs": {table.name: table.sha256 for table in inputs},
        "outputs": {path.name: sha256(path) for path in outputs},
        "counts": asdict(report),
    }
    manifest = batch.output.with_name(f"{batch.output.name}.manifest.json")
    with whole(manifest) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
