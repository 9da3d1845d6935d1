"""Observations as results to grade: texts are parsed, accepted statuses become ``final``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from toxgrade.errors import ParseError
from toxgrade.fhir.bundle import Source
from toxgrade.fhir.elements import Note, codes, objects
from toxgrade.fhir.observation import ObservedValue, read_observation
from toxgrade.fhir.reference_range import Person
from toxgrade.grading.parse import read_collected, read_limit, read_value
from toxgrade.grading.result import Collected, LabResult, Reason, Reported
from toxgrade.grading.units import Names


@dataclass(frozen=True, slots=True)
class Accepted:
    """Statuses that count as final in addition to those that always do."""

    preliminary: bool = False
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One value to grade, or a panel that has none (``lab`` None), with its source and notes.

    ``where`` is the FHIRPath of the element with the value; notes have whole paths too.
    """

    source: Source
    where: str
    lab: LabResult | None
    notes: tuple[Note, ...] = ()

    @property
    def is_laboratory(self) -> bool:
        """Whether its category is laboratory, or it has no category."""
        categories = objects(self.source.resource.get("category"))
        return not categories or any("laboratory" in codes(one) for one in categories)


def read_source(source: Source, names: Names, person: Person, accepted: Accepted) -> list[Observed]:
    """Return the values of an Observation as results; a panel gives one entry without a result."""
    values = read_observation(source.resource, names, person)
    if not values:
        return [Observed(source, source.where, None)]
    return [_observed(source, value, accepted) for value in values]


def _observed(source: Source, value: ObservedValue, accepted: Accepted) -> Observed:
    notes = [note.below(source.where) for note in value.notes]
    status = value.status
    if (status == "preliminary" and accepted.preliminary) or (
        status == "unknown" and accepted.unknown
    ):
        text = "graded although its status is not final, as asked"
        notes.append(Note(f"{source.where}.status", f"{status}-graded", text))
        status = "final"
    number, collected = _value(value.value), _collected(value.collected)
    lln, uln = _limit(value.lln), _limit(value.uln)
    unreadable: Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE] | None = None
    if number is Reason.UNREADABLE_VALUE:
        unreadable = Reason.UNREADABLE_VALUE
    elif collected is Reason.UNREADABLE_DATE:
        unreadable = Reason.UNREADABLE_DATE
    lab = LabResult(
        analyte=value.analyte,
        value=number if isinstance(number, Reported) else None,
        unit=value.unit,
        lln=lln if isinstance(lln, Decimal) else None,
        uln=uln if isinstance(uln, Decimal) else None,
        limit_unit=value.limit_unit,
        collected=collected if isinstance(collected, Collected) else None,
        status=status,
        source_id=value.source_id,
        issued=_issued(value.issued),
        unreadable=unreadable,
        unreadable_limit=lln is False or uln is False,
    )
    where = f"{source.where}.{value.path}" if value.path else source.where
    return Observed(source, where, lab, tuple(notes))


def _value(text: str | None) -> Reported | Literal[Reason.UNREADABLE_VALUE] | None:
    if text is None:
        return None
    try:
        return read_value(text)
    except ParseError:
        return Reason.UNREADABLE_VALUE


def _collected(text: str | None) -> Collected | Literal[Reason.UNREADABLE_DATE] | None:
    if text is None:
        return None
    try:
        return read_collected(text)
    except ParseError:
        return Reason.UNREADABLE_DATE


@lru_cache(4096)  # Laboratories use few limits.
def _limit(text: str | None) -> Decimal | Literal[False] | None:
    """Return the limit; None where there is none, False where it cannot be read."""
    if text is None:
        return None
    try:
        return read_limit(text).number
    except ParseError:
        return False


def _issued(text: str | None) -> datetime | None:
    """Return when this version was released; None if that is not given with an offset."""
    try:
        issued = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return issued if issued and issued.tzinfo else None
