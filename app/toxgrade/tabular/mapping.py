"""What a mapping may say of an export that has neither our columns nor a layout that is known.

``MAPPABLE`` lists it once: the reader, its errors, what ``toxgrade inspect`` proposes and the docs
follow it. The file itself is read by ``mapping_file.py``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from toxgrade.criteria.model import Analyte
from toxgrade.errors import FileError, RequestError
from toxgrade.grading.dictionary import Dictionary, read_dictionary
from toxgrade.grading.parse import COLUMNS

OURS = (*COLUMNS, "source_id", "rt_start", "rt_end")
"""Our columns of a lab export."""
COMPARATOR = "comparator"
RANGE = "range"
DAY = "collected_day"


class Mappable(NamedTuple):
    """One of our columns that a mapping may name.

    ``of_result``: in a wide export each result may have its own.
    """

    name: str
    meaning: str
    of_result: bool = False


MAPPABLE = (
    Mappable("patient", "the patient's identifier, kept as text"),
    Mappable("collected", "the date of collection", of_result=True),
    Mappable(DAY, "the study day, for rows without a date: day 1 is that of rt_start; there is"
             " no day 0"),
    Mappable("analyte", "the test: a name, alias or LOINC code, or a name of [analytes]"),
    Mappable("value", "the result"),
    Mappable(COMPARATOR, "signs such as < and >=, which become part of the value", of_result=True),
    Mappable("unit", "the value's unit", of_result=True),
    Mappable(RANGE, "both limits in one text (3.5 - 5.0, < 35, bis 40), where lln and uln say"
             " nothing", of_result=True),
    Mappable("lln", "the lower limit of normal", of_result=True),
    Mappable("uln", "the upper limit of normal", of_result=True),
    Mappable("limit_unit", "the limits' unit, if it is another than the value's", of_result=True),
    Mappable("specimen", "what was tested: blood, serum and plasma are graded", of_result=True),
    Mappable("indicator", "the sender's normal, high or low", of_result=True),
    Mappable("baseline", "Y: the sender calls it the baseline"),
    Mappable("status", "final, corrected, preliminary, cancelled, …"),
    Mappable("source_id", "the laboratory's number of the result"),
    Mappable("rt_start", "the first day of radiotherapy"),
    Mappable("rt_end", "the last day of radiotherapy"),
)  # fmt: skip
"""The columns that a mapping may name, in ``[columns]`` or as a text in ``[constants]``."""

NAMED = tuple(column.name for column in MAPPABLE)
OF_RESULT = tuple(column.name for column in MAPPABLE if column.of_result)
WIDE_KEYS = ("column", "analyte", *(k for name in OF_RESULT for k in (name, f"{name}_column")))
"""The keys of an entry of ``[[wide]]``: the column of the values, their analyte, and of what each
result may have its own a text, or with ``_column`` the column that has it."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """``columns``: ours to the file's; ``constants``: ours to a text; ``wide``: ``WIDE_KEYS``.

    ``dictionary``: the tables of the site's own names. It is false where it maps no column.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: tuple[Mapping[str, str], ...] = ()
    dictionary: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.columns or self.constants or self.wide)

    def site_names(self, analytes: Iterable[Analyte]) -> Dictionary:
        """Return the dictionary, once each of its entries is understood.

        Raises:
            FileError: names the first entry that is not, and what is accepted.
        """
        try:
            return read_dictionary(self.dictionary, analytes)
        except RequestError as error:
            first = error.faults[0]
            table, number = first.loc
            theirs = list(self.dictionary[str(table)])[int(number)]
            raise FileError(f"a mapping: [{table}] {theirs!r}: {first.message}") from None


NO_MAPPING = ColumnMap()
_LONGEST_SHOWN = 60


def shown(key: str) -> str:
    """Return a key of a mapping file for a message of one line."""
    return (key if key.isprintable() else repr(key))[:_LONGEST_SHOWN]


def check_names(section: str, given: Iterable[str], file: str = "a mapping") -> None:
    """Raise ``FileError`` for a key that is no column of ours."""
    for name in given:
        if name not in NAMED:
            what = f"{section} {shown(name)}: a column that is not one of ours".strip()
            raise FileError(f"{file}: {what}: {', '.join(NAMED)}")


def check_wide(entry: Mapping[str, str], number: int, file: str) -> None:
    """Raise ``FileError`` if an entry of ``[[wide]]``, from 1, has another key or lacks one."""
    where = f"{file}: [[wide]] entry {number}"
    for key in entry:
        if key not in WIDE_KEYS:
            raise FileError(f"{where}: {shown(key)}: expected any of {', '.join(WIDE_KEYS)}")
    for name in ("column", "analyte"):
        if name not in entry:
            raise FileError(f"{where} lacks {name}")
    for name in OF_RESULT:
        if {name, f"{name}_column"} <= entry.keys():
            raise FileError(f"{where}: {name}: expected a text or {name}_column, not both")
