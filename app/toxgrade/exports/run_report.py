"""A run over an export: its request, its counts, the rows that it rejects, and its manifest."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    """What to grade and where to write it; None: not given or not wanted.

    ``labs``: paths, patterns or ``-``. ``worst``: a file of the worst grades per patient and term;
    ``table``: one (CSV, JSON, HTML) of the toxicity table, over ``phase``. ``names``: of columns.
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
    """The counts of a run.

    ``rows`` went in and ``entries`` (a row for each term of its analyte) came out; ``graded`` have
    a grade, ``undecided`` counts the others by reason. ``rejected`` rows cannot be read as they
    are. ``unknown_analytes``, ``unknown_units`` and ``other_specimens`` (of gradings that are no
    blood's) count rows by the name that they had, ``unreadable`` values, dates and limits by their
    pattern, such as ``99.99.9999``. ``sign_columns`` were not read and hold nothing but signs such
    as <.
    ``without_dates`` patients have no treatment dates. ``read_as``: how each file was read.
    ``other_baselines``: rows (declared, by date) where the declared baseline is not the one that
    the date rule would choose.
    """

    layout: str
    rows: int
    entries: int
    graded: int
    undecided: Mapping[str, int]
    rejected: int
    unknown_analytes: Mapping[str, int]
    unknown_units: Mapping[str, int]
    other_specimens: Mapping[str, int]
    sign_columns: tuple[str, ...]
    unreadable: Mapping[str, Mapping[str, int]]
    patients: int
    without_dates: int
    read_as: Mapping[str, str]
    other_baselines: tuple[tuple[int, int], ...]


_COUNTED_COLUMN = {
    "unknown-analyte": "analyte", "unknown-unit": "unit", "other-specimen": "specimen",
    "unreadable-value": "value", "unreadable-date": "collected",
}  # fmt: skip
"""The column whose texts are counted, for each reason."""
UNREADABLE = ("value", "limit", "date")
_SIGNS = {"", "<", "<=", ">", ">=", "=", "~", "≤", "≥"}
_PATTERN_LENGTH = 20  # Characters.


class Tally:
    """Counts for ``RunSummary`` over all pieces, in any order.

    ``decimal``: the declared decimal sign, which is a point in the pieces.
    """

    def __init__(self, decimal: str, unused: Iterable[str] = ()) -> None:
        """Take the decimal sign, and the columns that are not read."""
        self.rows = self.entries = self.graded = self.rejected = 0
        self._decimal = decimal
        self._signs = dict.fromkeys(unused, False)
        self._reasons: Counter[str] = Counter()
        self._texts: dict[str, Counter[str]] = {}

    def add(self, chunk: ExportChunk, graded: pl.DataFrame, places: pl.Series) -> None:
        """Count a piece; ``graded`` is ``ColumnGrader``'s, ``places`` its rows' places in it."""
        self.rows += len(chunk.rows)
        self.entries += len(graded)
        self.graded += graded["grade"].count()
        reasons = _counts(graded["reason"])
        self._reasons.update(reasons)
        for reason in _COUNTED_COLUMN.keys() & reasons:
            found = places.filter((graded["reason"] == reason).fill_null(False)).unique()
            self._count_texts(reason, chunk.rows[_COUNTED_COLUMN[reason]].gather(found))
        self._count_limits(chunk.rows, graded["flags"], places)
        self._find_signs(chunk.given)

    def _find_signs(self, given: pl.DataFrame) -> None:
        """Keep the columns that hold nothing but comparators so far; true: some were met."""
        for name in [*self._signs]:
            # Few columns pass the first text, so that most files cost nothing here.
            texts = given[name].drop_nulls()
            if not len(texts):
                continue
            if str(texts[0]).strip() in _SIGNS and set(texts.unique().cast(pl.String)) <= _SIGNS:
                self._signs[name] = True
            else:
                del self._signs[name]

    @property
    def sign_columns(self) -> tuple[str, ...]:
        """The unused columns that hold nothing but signs such as <."""
        return tuple(name for name, met in self._signs.items() if met)

    def _count_limits(self, rows: pl.DataFrame, flags: pl.Series, places: pl.Series) -> None:
        """Count the limits that cannot be read, which a flag on the grade shows."""
        flag = Flag.UNREADABLE_LIMIT.value
        if not flags.unique().cast(pl.String).str.contains(flag).any():
            return
        found = places.filter(flags.cast(pl.String).str.contains(flag).fill_null(False)).unique()
        for column in ("lln", "uln"):
            texts = rows[column].gather(found).cast(pl.String)
            self._count_texts(flag, texts.filter(read_column(texts, read_limit).unreadable))

    def _count_texts(self, reason: str, texts: pl.Series) -> None:
        """Count texts; unreadable ones, a patient's, as patterns: digits as 9, letters as a."""
        texts = texts.cast(pl.String).fill_null("")
        if reason.startswith("unreadable"):
            if self._decimal == "," and reason != "unreadable-date":
                texts = texts.str.replace_many(*SIGNS_SWAPPED)
            texts = texts.str.replace_all("[0-9]", "9").str.replace_all(r"\p{L}", "a")
            texts = texts.str.slice(0, _PATTERN_LENGTH)
        self._texts.setdefault(reason, Counter()).update(_counts(texts))

    @property
    def undecided(self) -> dict[str, int]:
        """The number of undecided gradings by reason, the most frequent first."""
        return _ordered(self._reasons)

    def texts(self, reason: str) -> dict[str, int]:
        """Return counts of texts for a reason or flag: names of analytes or units, or patterns."""
        return _ordered(self._texts.get(reason, Counter()))


def _counts(texts: pl.Series) -> dict[str, int]:
    counted = texts.drop_nulls().cast(pl.String).alias("text").value_counts(name="n")
    return dict(counted.iter_rows())


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Return counts, the most frequent first."""
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

    ``graded`` is ``ColumnGrader``'s, ``places`` its rows' places in the piece. A row without a
    patient gets ``missing-patient``: it is graded, but has neither baseline nor phase.
    """
    names = {reason.value: layout.named.get(column, column) for reason, column in COLUMN_OF.items()}
    reasons = graded["reason"]
    found = reasons.is_in(list(names)).arg_true()
    faulty = pl.DataFrame(
        {"reason": reasons[found].cast(pl.String), "place": places[found]}
    ).unique("place", keep="first")
    faulty = faulty.with_columns(
        column=pl.col("reason").replace_strict(names, return_dtype=pl.String)
    )
    no_patient = chunk.rows["patient"].is_null().arg_true().cast(pl.Int64)
    unnamed = pl.DataFrame({"place": no_patient}).with_columns(
        reason=pl.lit("missing-patient"), column=pl.lit(layout.named.get("patient", "patient"))
    )
    rows = pl.concat([faulty, unnamed.select(faulty.columns)]).sort("place", "reason")
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
