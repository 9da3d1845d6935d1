"""A site's dictionary: its own names of tests, units and specimens, and ours for each.

It is declared as ``[analytes]``, ``[units]`` and ``[specimens]`` of a mapping file, or as a study's
setting, and holds at every door.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec

from toxgrade.criteria.model import Analyte
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.specimens import specimen_kind
from toxgrade.grading.units import Names, canonical_spelling, site_key, specimen_key

_Entries = tuple[tuple[str, str], ...]
_LONGEST = 200
OTHER = "other"
"""Our word for a specimen that is not graded."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Pairs (theirs, ours), sorted: a name, alias or LOINC code, a unit, a specimen.

    Their name of a test may begin with its code system (``http://example.org/lab|K``, ``L|K``).
    """

    analytes: _Entries = ()
    units: _Entries = ()
    specimens: _Entries = ()

    def __bool__(self) -> bool:
        return bool(self.analytes or self.units or self.specimens)

    def document(self) -> dict[str, dict[str, str]]:
        """Return it as mapping files and studies hold it."""
        return {table: dict(entries) for table, entries in asdict(self).items()}

    @property
    def sha256(self) -> str:
        """Return the hash that manifests name it by."""
        return hashlib.sha256(msgspec.json.encode(self.document(), order="sorted")).hexdigest()


NO_DICTIONARY = Dictionary()
TABLES = tuple(field.name for field in fields(Dictionary))
_KEYS = {"analytes": site_key, "units": canonical_spelling, "specimens": specimen_key}


def read_dictionary(
    given: Mapping[str, Mapping[str, str]], analytes: Iterable[Analyte]
) -> Dictionary:
    """Return a dictionary from its tables, once each entry is understood.

    Raises:
        RequestError: each fault names its table, the number of its entry, and what is accepted.
    """
    if not given:
        return NO_DICTIONARY
    known = list(analytes)
    faults = list(_faults(given, known))
    if faults:
        raise RequestError("the dictionary cannot be accepted", faults)
    return Dictionary(**{table: tuple(sorted(pairs.items())) for table, pairs in given.items()})


def _faults(
    given: Mapping[str, Mapping[str, str]], analytes: list[Analyte]
) -> Iterator[FieldFault]:
    names = Names(analytes)
    units = {canonical_spelling(u.name) for a in analytes for u in a.units}
    for table, pairs in given.items():
        if table not in TABLES:
            yield FieldFault((table,), "unknown-table", f"expected any of {', '.join(TABLES)}")
            continue
        seen: dict[str, str] = {}
        for number, (theirs, ours) in enumerate(pairs.items()):
            loc = (table, number)
            key = _KEYS[table](theirs)
            if not key or len(theirs) > _LONGEST or not theirs.strip().isprintable():
                text = f"expected a name of 1 to {_LONGEST} printable characters"
                yield FieldFault(loc, "dictionary-name", text)
            elif seen.setdefault(key, ours) != ours:
                yield FieldFault(loc, "dictionary-twice", "this name is there twice")
            elif "|" in theirs and table == "units":
                yield FieldFault(loc, "dictionary-name", "expected the code without its system")
            elif table == "analytes" and names.analyte(ours) is None:
                text = "expected a name, alias or LOINC code of GET /v1/analytes"
                yield FieldFault(loc, "unknown-analyte", text)
            elif table == "units" and not any(names.unit(a, ours) for a in analytes):
                text = f"expected a unit of GET /v1/analytes: {', '.join(sorted(units))}"
                yield FieldFault(loc, "unknown-unit", text)
            elif table == "specimens" and not _is_specimen(ours):
                text = "expected blood, serum, plasma, arterial blood, venous blood or other"
                yield FieldFault(loc, "unknown-specimen", text)


def _is_specimen(ours: str) -> bool:
    return ours.strip() == OTHER or (bool(ours.strip()) and specimen_kind(ours) != "other")


def dictionary_of(document: Mapping[str, Any] | None) -> Dictionary:
    """Return a dictionary from what ``Dictionary.document`` gave; None: there is none."""
    tables = {table: tuple(sorted(pairs.items())) for table, pairs in (document or {}).items()}
    return Dictionary(**tables)
