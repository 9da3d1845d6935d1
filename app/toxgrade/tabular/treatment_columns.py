"""Which columns of a table hold the patients' courses of radiotherapy and the day of death."""

from collections.abc import Sequence
from typing import NamedTuple

from toxgrade.errors import FileError
from toxgrade.tabular.layouts import KNOWN
from toxgrade.tabular.read_options import ReadOptions

OWN = (
    "patient", "rt_start", "rt_end", "died", "rt_course", "rt_status", "sex", "birth_year",
)  # fmt: skip
"""Our names of a patients file's columns."""


class TreatmentColumns(NamedTuple):
    """A table's names of the columns of treatment, for reading them and for messages.

    None: it has no such column. ``died`` is the day of death; ``course`` numbers the courses of a
    patient who has several, and ``status`` says whether one is still in progress. ``sex`` and
    ``birth`` (a year or a date) decide reference ranges.
    """

    patient: str
    start: str
    end: str
    died: str | None = None
    course: str | None = None
    status: str | None = None
    sex: str | None = None
    birth: str | None = None

    @property
    def dates(self) -> dict[str, str]:
        """Return the columns of dates that the table has, by field."""
        named = {"start": self.start, "end": self.end, "died": self.died}
        return {field: column for field, column in named.items() if column is not None}

    @property
    def marks(self) -> dict[str, str]:
        """Return the columns that are no dates and that the table has, by field."""
        named = {"course": self.course, "status": self.status}
        named |= {"sex": self.sex, "birth": self.birth}
        return {field: column for field, column in named.items() if column is not None}


def treatment_columns(
    header: Sequence[str], file: str, options: ReadOptions, *, persons: bool = False
) -> TreatmentColumns:
    """Return the columns of treatment of a file with treatment dates; with ``persons`` also those
    of sex and birth, which are not read otherwise.

    Raises:
        FileError: the file has neither layout's columns, or not the declared ones.
    """

    def first_of(*names: str) -> str | None:
        return next((name for name in names if name in header), None)

    mapping = options.columns.columns
    patients = [known.patient for known in KNOWN]
    patient = first_of(mapping.get("patient", "patient"), *patients)
    of_mapping = (mapping.get("rt_start", "rt_start"), mapping.get("rt_end", "rt_end"))
    declared = [options.treatment] if options.treatment else []
    usual = declared or [of_mapping, *(known.treatment for known in KNOWN)]
    for start, end in usual:
        if patient is not None and start in header and end in header:
            died = first_of(*(known.death for known in KNOWN))
            course, status = first_of("rt_course"), first_of("rt_status")
            found = TreatmentColumns(patient, start, end, died, course, status)
            sex, birth = first_of("sex", "SEX"), first_of("birth_year", "BRTHDTC")
            return found._replace(sex=sex, birth=birth) if persons else found
    dates = " or ".join(", ".join(pair) for pair in dict.fromkeys(usual))
    raise FileError(f"{file}: the header needs the columns {' or '.join(patients)}, and {dates}")
