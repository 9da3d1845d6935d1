"""How files are read, as a caller declares it."""

from dataclasses import dataclass, replace
from typing import Literal

from toxgrade.tabular.mapping import NO_MAPPING, ColumnMap

Kind = Literal["csv", "tsv", "parquet", "ndjson", "xlsx", "xpt"]
CONTAINERS = ("xlsx", "xpt")
"""The kinds of files that may hold several tables, of which ``sheet`` names one."""
Encoding = Literal["utf-8", "latin-1", "cp1252", "utf-16"]
MOST_BYTES = 64 * 2**30
"""Files larger than this once decompressed are refused: decompression bombs, or files to split."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The declared properties of input files.

    ``kind`` None: by suffix. ``encoding`` None: UTF-8, or UTF-16 by its byte order mark.
    ``delimiter`` None: detected in the header. ``decimal``: the decimal sign of values and limits.
    ``nulls``: texts that mean "no value", as an empty field does, in any column but analyte and
    patient. ``dates``: the forms that dates may have beside ISO 8601 (``date_forms.py``);
    ``century``: the first of the hundred years that years of two digits are of. ``header_row``:
    where the ``header_rows`` begin that are the columns' names, from 1; ``skip_rows`` below them
    are no results. ``strip``: see ``decorated_values.py``. ``timezone``: the zone in which instants
    are calendar dates; None: see ``instants.py``. ``sheet`` None: the only sheet that is not empty.
    ``values``: SDTM's reported or its standardised results.
    ``baseline`` ``flag``: SDTM's baseline flags count as declared baselines; ``rule``: no
    declaration counts; None: own columns and a mapping's count, SDTM's flags do not.
    ``treatment``: the columns of the treatment dates (start, end); None: by layout. ``fill_down``:
    the file's columns, or ours, whose empty cells mean the one above. ``max_bytes``: the most that
    is decompressed.
    """

    kind: Kind | None = None
    encoding: Encoding | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    nulls: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    century: int | None = None
    header_row: int = 1
    header_rows: int = 1
    skip_rows: int = 0
    strip: Literal["flags"] | None = None
    timezone: str | None = None
    sheet: str | None = None
    columns: ColumnMap = NO_MAPPING
    values: Literal["reported", "standard"] = "reported"
    baseline: Literal["rule", "flag"] | None = None
    treatment: tuple[str, str] | None = None
    fill_down: tuple[str, ...] = ()
    max_bytes: int = MOST_BYTES

    @property
    def has_other_header(self) -> bool:
        """Return whether the header is declared to be other than the first row alone."""
        return (self.header_row, self.header_rows, self.skip_rows) != (1, 1, 0)

    @property
    def first_row(self) -> int:
        """Return the row of a file, from 1, that follows the header and what is skipped."""
        return self.header_row + self.header_rows + self.skip_rows

    def of_patients(self) -> "ReadOptions":
        """Return the options of a patients file: what is told of the header is the labs' own."""
        return replace(self, header_row=1, header_rows=1, skip_rows=0)

    def with_dates_of_labs(self) -> "ReadOptions":
        """Return the options of labs without a patients file: they have the treatment dates."""
        if self.treatment is None:
            return self
        dates = dict(zip(("rt_start", "rt_end"), self.treatment, strict=True))
        columns = replace(self.columns, columns={**self.columns.columns, **dates})
        return replace(self, columns=columns)


DEFAULT_OPTIONS = ReadOptions()
