"""What the columns of a lab export mean, recognised by its header: our own names or SDTM LB."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from app.errors import FileError
from app.grading.many import COLUMNS

_BLOOD = ["", "BLOOD", "SERUM", "PLASMA", "SERUM OR PLASMA", "WHOLE BLOOD"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of naming columns.

    ``rows`` turns a frame of String columns into the columns of ``many.COLUMNS``; ``named`` says
    which input column each of those came from; ``patients`` are the patient, start and end columns
    of the file with the treatment dates.
    """

    name: str
    required: tuple[str, ...]
    named: dict[str, str]
    patients: tuple[str, str, str]
    rows: Callable[[pl.DataFrame], pl.DataFrame]


def _own_rows(frame: pl.DataFrame) -> pl.DataFrame:
    absent = [name for name in COLUMNS if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(n) for n in absent).select(
        COLUMNS
    )


def _sdtm_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Reported values with the range reported beside them: never a range rounded in other units.

    A test on anything but blood keeps its specimen in its name: urine albumin is no albumin. A test
    that was not done has no value, whatever stands in its column.
    """
    analyte, value = pl.col("LBTESTCD"), pl.col("LBORRES")
    if "LBSPEC" in frame.columns:
        specimen = pl.col("LBSPEC").fill_null("").str.strip_chars().str.to_uppercase()
        other = pl.concat_str(analyte, pl.lit(" in "), specimen)
        analyte = pl.when(specimen.is_in(_BLOOD)).then(analyte).otherwise(other)
    if "LBSTAT" in frame.columns:
        not_done = (pl.col("LBSTAT").str.strip_chars() == "NOT DONE").fill_null(False)
        value = pl.when(~not_done).then(value)
    nothing = pl.lit(None, dtype=pl.String)
    return frame.select(
        patient="USUBJID",
        collected="LBDTC",
        analyte=analyte,
        value=value,
        unit="LBORRESU",
        lln="LBORNRLO",
        uln="LBORNRHI",
        limit_unit=nothing,
        baseline=nothing,
        status=nothing,
    )


OWN = Layout(
    name="Toxgrade's own columns",
    required=COLUMNS[:7],
    named={name: name for name in COLUMNS},
    patients=("patient", "rt_start", "rt_end"),
    rows=_own_rows,
)
SDTM_LB = Layout(
    name="SDTM LB",
    required=("USUBJID", "LBTESTCD", "LBORRES", "LBORRESU", "LBORNRLO", "LBORNRHI", "LBDTC"),
    named={
        "patient": "USUBJID", "collected": "LBDTC", "analyte": "LBTESTCD", "value": "LBORRES",
        "unit": "LBORRESU", "lln": "LBORNRLO", "uln": "LBORNRHI",
    },
    patients=("USUBJID", "RFSTDTC", "RFENDTC"),
    rows=_sdtm_rows,
)  # fmt: skip
_LAYOUTS = (OWN, SDTM_LB)


def recognise(header: Sequence[str], file: str) -> Layout:
    """The layout whose required columns are all there.

    Raises:
        FileError: naming what is missing from the layout that comes nearest.
    """
    missing = {
        layout.name: [name for name in layout.required if name not in header] for layout in _LAYOUTS
    }
    for layout in _LAYOUTS:
        if not missing[layout.name]:
            return layout
    nearest = min(_LAYOUTS, key=lambda layout: len(missing[layout.name]))
    accepted = "; or ".join(f"{layout.name}: {', '.join(layout.required)}" for layout in _LAYOUTS)
    lacking = ", ".join(missing[nearest.name])
    raise FileError(f"{file}: the header lacks {lacking}. Accepted are {accepted}")


def patient_columns(header: Sequence[str], file: str) -> tuple[str, str, str]:
    """The patient, start and end columns of a file with treatment dates.

    Raises:
        FileError: it has neither layout's columns.
    """
    for layout in _LAYOUTS:
        if set(layout.patients) <= set(header):
            return layout.patients
    accepted = "; or ".join(", ".join(layout.patients) for layout in _LAYOUTS)
    raise FileError(f"{file}: the header needs the columns {accepted}")
