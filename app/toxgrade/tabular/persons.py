"""Sex and year of birth of the patients of a file, which decide reference ranges."""

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.parse import YEARS
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.treatment_columns import TreatmentColumns

_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}
_NOT_TOLD = ("u", "unknown", "undifferentiated", "x", "other", "intersex")


def read_persons(frame: pl.DataFrame, columns: TreatmentColumns, file: str) -> pl.DataFrame:
    """Return ``patient``, ``sex`` and ``birth_year`` Int32 of each patient; null: not known.

    ``frame``: ``patient`` and, if ``columns`` has them, ``sex`` and ``birth`` (String).

    Raises:
        FileError: a text is neither a sex nor a year or date, or those of a patient differ.
    """
    absent = (name for name in ("sex", "birth") if name not in frame.columns)
    named = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent).select(
        trimmed(pl.col("patient")).alias("patient"),
        trimmed(pl.col("sex")).str.to_lowercase().alias("sex"),
        "birth",
    )
    told = named.drop_nulls("patient").unique(maintain_order=True)
    births = read_dates(told["birth"])
    year = births["first"].dt.year()
    unclear = births["unreadable_date"] | (year != births["last"].dt.year()).fill_null(False)
    if unclear.any():
        text = f"expected a year or a date in the {YEARS}, or nothing"
        raise FileError(f"column {columns.birth} of {file}: {text}")
    if not told["sex"].is_in([*_SEXES, *_NOT_TOLD]).fill_null(True).all():
        raise FileError(
            f"column {columns.sex} of {file}: expected F, M, U, female, male or nothing"
        )
    sex = told["sex"].replace_strict(_SEXES, default=None, return_dtype=pl.String)
    found = told.select("patient", sex=sex, birth_year=year.cast(pl.Int32)).unique()
    if found["patient"].is_duplicated().any():
        raise FileError(f"{file}: two sexes or years of birth of one patient")
    return found
