"""A sample of an export, graded by the mapping that is proposed for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import polars as pl

from toxgrade.criteria.model import Criteria
from toxgrade.errors import FileError, ParseError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.inspect.file_guesses import FileGuesses
from toxgrade.exports.inspect.inspection import Undecided
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.flags import Reason
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.declared_options import declare
from toxgrade.tabular.mapping_file import mapping
from toxgrade.tabular.read_options import ReadOptions

_SHOWN = ("patient", "collected", "analyte", "value", "unit", "lln", "uln", "range")
_OURS = ("term", "grade", "at_least", "at_most", "reason")
MENDS = {
    Reason.MISSING_PATIENT: "nothing, for blank rows; else [columns] patient, or [read] fill_down",
    Reason.NOT_FINAL: "nothing: a cancelled or preliminary result is not graded",
    Reason.UNKNOWN_ANALYTE: '[analytes] "their name" = "ours", if it is a test that is graded',
    Reason.OTHER_SPECIMEN: "nothing, if it is not blood; else [specimens]",
    Reason.MISSING_VALUE: "nothing, if the cells are empty",
    Reason.UNREADABLE_VALUE: "[read] decimal, null or strip, if they say a number",
    Reason.UNREADABLE_DATE: "[read] dates, with their form",
    Reason.MISSING_UNIT: "[columns] unit, or a text in [constants] or [[wide]]",
    Reason.UNKNOWN_UNIT: '[units] "theirs" = "ours", if it is a unit of that test',
    Reason.IMPLAUSIBLE_VALUE: "another unit or decimal sign, if it is not what is declared",
    Reason.IMPLAUSIBLE_LIMIT: "another unit or decimal sign, if it is not what is declared",
    Reason.MISSING_ULN: "a column range or uln, or --ranges with the laboratory's limits",
    Reason.MISSING_LLN: "a column range or lln, or --ranges with the laboratory's limits",
    Reason.MISSING_BASELINE: "a result from before the treatment, with --patients for its dates",
    Reason.CENSORED_VALUE: "nothing: the sign leaves several grades open",
    Reason.AFTER_DEATH: "the day of death, if it is wrong",
}
"""What a data manager can do about gradings without a grade, by reason."""


class Graded(TypedDict, total=False):
    """The fields of ``Inspection`` that grading a sample gives."""

    graded_rows: int
    gradings: int
    decided: int
    undecided: list[Undecided]
    cleaned: dict[str, int]
    unreadable: dict[str, dict[str, int]]
    preview: list[dict[str, str | None]]
    refused: str | None


def graded_sample(
    parts: Sequence[tuple[Path, bool]],
    guesses: FileGuesses,
    files: str,
    criteria: Criteria,
    folder: Path,
    preview: int,
) -> Graded:
    """Return what grading a sample by the proposed mapping gives, or why it cannot be graded.

    ``parts``: the files, and whether they are Parquet that was written for this.
    """
    try:
        options = declare({}, mapping([guesses.proposal.document(files)]))
        if any(is_packed for _, is_packed in parts):
            options = _unpacked(options)
        names = options.columns.site_names(criteria.analytes.values())
        edition = next(iter(criteria.editions))
        output = folder / "preview.parquet"
        request = GradeFileRequest(
            tuple(str(path) for path, _ in parts), output,
            Rules(edition=edition, dictionary=names), options=options,
        )  # fmt: skip
        report = grade_file(request, Graders(criteria))
    except FileError as error:
        return {"refused": str(error)}
    except ParseError as error:
        return {"refused": error.message}
    return {
        "graded_rows": report.rows,
        "gradings": report.entries,
        "decided": report.graded,
        "undecided": [Undecided(reason, n, MENDS.get(Reason(reason), ""))
                      for reason, n in report.undecided.items()],
        "cleaned": dict(report.cleaned),
        "unreadable": {what: dict(looks) for what, looks in report.unreadable.items() if looks},
        "preview": _preview(output, guesses.columns, preview),
    }  # fmt: skip


def _unpacked(options: ReadOptions) -> ReadOptions:
    """Return options without those of how the file was packed, for a sample in Parquet."""
    return replace(options.of_patients(), kind=None, encoding=None, delimiter=None, sheet=None)


def _preview(output: Path, columns: Mapping[str, str], rows: int) -> list[dict[str, str | None]]:
    graded = pl.scan_parquet(output).head(rows).collect()
    shown = [columns[ours] for ours in _SHOWN if columns.get(ours) in graded.columns]
    names = [*dict.fromkeys(shown), *(name for name in _OURS if name in graded.columns)]
    return graded.select(pl.col(names).cast(pl.String)).to_dicts()
