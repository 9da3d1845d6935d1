"""What is graded: Observations as results, of which accepted statuses are ``final``, and courses.

Texts are parsed here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import (
    FORMER_COURSE,
    OTHER_RADIOTHERAPY,
    RADIOTHERAPY_COURSE,
    SNOMED,
    SNOMED_REQUESTED,
    Element,
    Note,
    codes,
    modifier_path,
    object_of,
    objects,
    version_number,
)
from toxgrade.fhir.observation import ObservedValue, read_observation
from toxgrade.fhir.reference_range import Person
from toxgrade.grading.flags import Reason
from toxgrade.grading.parse import read_collected, read_limit, read_start, read_value
from toxgrade.grading.result import Collected, Course, LabResult, Reported
from toxgrade.grading.units import Names

_NOT_DONE = ("not-done", "entered-in-error", "preparation")
_GOING_ON = ("in-progress", "on-hold", "suspended")  # STU3 has the last one.
_PERIODS = ("performedPeriod", "occurrencePeriod")  # R5 has the second one.
_IRRELEVANT = frozenset({"performer", "focalDevice", "contained"})  # of a Procedure


@dataclass(frozen=True, slots=True)
class Source:
    """An Observation, its place in the Bundle (FHIRPath) and its subject (None: it names none).

    ``scope``: what its id is unique within, a server or a container (None: not known). ``notes``
    are about its place in the Bundle. ``specimen``: texts and codes of each of its specimens.
    """

    where: str
    resource: Element
    subject: str | None
    full_url: str | None = None
    scope: str | None = None
    notes: tuple[Note, ...] = ()
    specimen: tuple[tuple[str, ...], ...] = ()

    @property
    def is_contained(self) -> bool:
        """Whether it exists only in the resource that contains it."""
        return self.scope is not None and self.scope.startswith("#")


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
    specimen = names.one_specimen(source.specimen)
    return [_observed(source, value, accepted, specimen) for value in values]


def _observed(
    source: Source, value: ObservedValue, accepted: Accepted, specimen: str | None
) -> Observed:
    notes = [*source.notes, *(note.below(source.where) for note in value.notes)]
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
        source_scope=_scope(source, value),
        issued=_issued(value.issued),
        server_version=version_number(source.resource),
        unreadable=unreadable,
        unreadable_limit=lln is False or uln is False,
        specimen=specimen,
        indicator=value.indicator,
    )
    where = f"{source.where}.{value.path}" if value.path else source.where
    return Observed(source, where, lab, tuple(notes))


def _scope(source: Source, value: ObservedValue) -> str:
    """Return what the number is unique within: the server or the container of the id.

    An identifier is often the whole order's, so that the code belongs to it.
    """
    scope = source.scope or ""
    return scope if source.resource.get("id") else f"{value.analyte}|{scope}"


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


def read_course(resource: Element, place: str, notes: list[Note]) -> Course | None:
    """Return a Procedure's course; None if it is something else, was not done or has no date.

    A course that is not taken, or not as it is written, is told.
    """
    status = resource.get("status")
    written = list(_codes(resource.get("code")))
    categories = [code for one in objects(resource.get("category")) for code in _codes(one)]
    other = any(code in OTHER_RADIOTHERAPY for code in written)
    is_course = any(c in (RADIOTHERAPY_COURSE, FORMER_COURSE) for c in [*written, *categories])
    if status in _NOT_DONE:
        return None
    if not is_course or (other and RADIOTHERAPY_COURSE not in written):
        if is_course or other or any(code in OTHER_RADIOTHERAPY for code in categories):
            text = f"no course of radiotherapy by its code ({RADIOTHERAPY_COURSE}): not taken"
            notes.append(Note(f"{place}.code", "other-radiotherapy", text))
        return None
    if path := modifier_path(resource, _IRRELEVANT):
        text = "this may change what the Procedure means: this course is not taken"
        notes.append(Note(f"{place}.{path}", "not-understood", text))
        return None
    name = next((name for name in _PERIODS if object_of(resource.get(name))), _PERIODS[0])
    days = dict(_days(object_of(resource.get(name)), f"{place}.{name}", notes))
    ongoing = status in _GOING_ON
    if ongoing and "end" in days:
        del days["end"]
        text = "by its status the course goes on: this end is not taken"
        notes.append(Note(f"{place}.{name}.end", "end-not-taken", text))
    if not days:
        sent = [key for key in resource if key.startswith(("performed", "occurrence"))]
        text = "expected a period with start, end or both: no date of radiotherapy is taken"
        notes.append(Note(f"{place}.{sent[0] if sent else name}", "no-date", text))
        return None
    (start, at), (end, _) = (days.get(side, (None, None)) for side in ("start", "end"))
    return Course(start, end, ongoing=ongoing, start_time=at)


def _codes(concept: object) -> Iterator[str]:
    return codes(concept, SNOMED, SNOMED_REQUESTED)


def _days(
    period: Element, place: str, notes: list[Note]
) -> Iterator[tuple[Literal["start", "end"], tuple[date, time | None]]]:
    """Yield the ends of a period that are full dates, and their times; what is not is told."""
    ends: tuple[Literal["start", "end"], ...] = ("start", "end")
    for end in ends:
        if (written := period.get(end)) is None:
            continue
        try:
            yield end, read_start(written if isinstance(written, str) else "")
        except ParseError:
            text = "expected a full date: this course counts as without it"
            notes.append(Note(f"{place}.{end}", "partial-date", text))
