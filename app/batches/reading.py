"""How files are to be read. What is declared here is not guessed; what is detected is reported."""

from dataclasses import dataclass
from typing import Literal

from app.batches.declared import Encoding, Kind
from app.batches.mapping import NO_MAPPING, ColumnMap

MOST_BYTES = 64 * 2**30
"""A file larger than this once decompressed is refused: it is a bomb, or wants splitting."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The declared properties of input files.

    ``kind`` None: by suffix. ``encoding`` None: UTF-8, or UTF-16 by its byte order mark.
    ``delimiter`` None: detected in the header. ``decimal``: the decimal sign of text files.
    ``nulls``: texts that mean "no value" in any column but analyte and patient, beside the empty
    field. ``dates``: a strptime format that dates may have beside ISO 8601. ``sheet`` None: the
    only one that holds anything. ``values``: SDTM's reported results, or its standardised ones.
    ``baseline`` ``flag``: SDTM's baseline flags count as declared baselines; ``rule``: no
    declaration counts; None: own columns count, SDTM's flags do not. ``treatment``: the columns of
    the treatment dates (start, end), None: by layout. ``max_bytes`` bounds decompression.
    """

    kind: Kind | None = None
    encoding: Encoding | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    nulls: tuple[str, ...] = ()
    dates: str | None = None
    sheet: str | None = None
    columns: ColumnMap = NO_MAPPING
    values: Literal["reported", "standard"] = "reported"
    baseline: Literal["rule", "flag"] | None = None
    treatment: tuple[str, str] | None = None
    max_bytes: int = MOST_BYTES


AS_IT_COMES = Reading()
