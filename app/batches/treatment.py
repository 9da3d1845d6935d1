"""When each patient was irradiated: from a file of patients, or from columns of the lab export.

Dates that cannot be read or contradict each other stop the work: a phase is never guessed.
"""

import polars as pl

from app.batches.files import line_numbers
from app.errors import FileError
from app.grading.dates import FIRST_YEAR, LAST_YEAR, collected_columns

_ACCEPTED = f"a date YYYY-MM-DD in the years {FIRST_YEAR} to {LAST_YEAR}, or nothing"


def treatment_dates(frame: pl.DataFrame, columns: tuple[str, str, str], file: str) -> pl.DataFrame:
    """Each patient's course: ``patient`` String, ``rt_start`` and ``rt_end`` Date, null if unknown.

    ``columns``: the patient, start and end columns of ``frame``, all String. A date-time counts by
    its date as written. Rows without a patient are passed over.

    Raises:
        FileError: naming the line of a date that is not one, of a patient with two different
            courses, or of an end before its start.
    """
    patient, start, end = columns
    known = (
        frame.select(
            patient=pl.col(patient), start=pl.col(start), end=pl.col(end), line=line_numbers(frame)
        )
        .filter(pl.col("patient").is_not_null())
        .unique(["patient", "start", "end"], keep="first", maintain_order=True)
    )
    read = known.select(
        "patient",
        "line",
        rt_start=_days(known["start"], known["line"], f"{start} of {file}"),
        rt_end=_days(known["end"], known["line"], f"{end} of {file}"),
    ).unique(["patient", "rt_start", "rt_end"], keep="first", maintain_order=True)
    twice = read.filter(~pl.col("patient").is_first_distinct())
    if len(twice):
        line = twice["line"][0]
        raise FileError(f"{file}, line {line}: other {start}, {end} than before for this patient")
    reversed_ = read.filter(pl.col("rt_end") < pl.col("rt_start"))
    if len(reversed_):
        raise FileError(f"{file}, line {reversed_['line'][0]}: {end} is before {start}")
    return read.drop("line")


def _days(texts: pl.Series, lines: pl.Series, place: str) -> pl.Series:
    first, last, _, unreadable = collected_columns(texts)
    wrong = unreadable | (first != last).fill_null(False)
    if wrong.any():
        line = lines.filter(wrong)[0]
        raise FileError(f"column {place}, line {line}: expected {_ACCEPTED}")
    return first
