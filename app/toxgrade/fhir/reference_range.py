"""The reference range of an Observation that applies to its patient: one, or none is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import Note, codes, object_of, objects, text_of, unit_of
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import add_months
from toxgrade.grading.reference_ranges import read_range
from toxgrade.grading.result import to_plain_text

Limits = tuple[str | None, str | None, str | None]
"""LLN, ULN and their own unit, as written."""

_NONE: Limits = (None, None, None)
_SEX = {
    "male": "male", "M": "male", "248153007": "male",
    "female": "female", "F": "female", "248152002": "female",
}  # fmt: skip
"""Codes of administrative gender in FHIR, HL7 v3 and SNOMED CT."""

_MONTHS = {"a": 12, "mo": 1}
_DAYS = {"wk": 7, "d": 1}


@dataclass(frozen=True, slots=True)
class Person:
    """What a reference range may depend on; None where it is not known."""

    sex: Literal["male", "female"] | None = None
    born: date | None = None


UNKNOWN_PERSON = Person()


def choose_range(
    element: Mapping[str, Any], person: Person, collected: str | None, notes: list[Note]
) -> Limits:
    """Return the limits of the normal range that applies; none where several with others might.

    A range for a sex or an age applies where the person's is known and meets it; one for anything
    else (a pregnancy, a race) is not taken. Limits that are no numbers are passed on, so that the
    grader flags them.
    """
    ranges = list(enumerate(objects(element.get("referenceRange"))))
    normal = [(i, r) for i, r in ranges if _is_normal(r) and _has_content(r)]
    fitting = []
    for i, range_ in normal:
        if _applies(range_, person, collected):
            fitting.append((i, range_))
        else:
            text = "this range is for some people, and it is not known that this is one of them"
            notes.append(Note(f"referenceRange[{i}]", "range-not-applicable", text))
    limits = {_limits(range_, f"referenceRange[{i}]", notes) for i, range_ in fitting}
    if len(limits) > 1:
        text = "several ranges could apply: none is taken"
        notes.append(Note("referenceRange", "several-ranges", text))
        return _NONE
    return limits.pop() if limits else _NONE


def _is_normal(range_: Mapping[str, Any]) -> bool:
    """Return whether it is a range of normal values: its type says so, or it has no type."""
    kind = range_.get("type") or range_.get("meaning")  # DSTU2 calls it meaning.
    if kind is None:
        return True
    found = list(codes(kind))
    if found:
        return "normal" in found
    return (text_of(object_of(kind).get("text")) or "").casefold() in ("normal", "normal range")


def _has_content(range_: Mapping[str, Any]) -> bool:
    return any(range_.get(name) for name in ("low", "high", "text"))


def _applies(range_: Mapping[str, Any], person: Person, collected: str | None) -> bool:
    if "modifierExtension" in range_:
        return False
    for group in objects(range_.get("appliesTo")):
        sexes = {_SEX[code] for code in codes(group) if code in _SEX}
        if person.sex is None or sexes != {person.sex}:
            return False
    age = range_.get("age")
    return age is None or _is_of_age(object_of(age), person, collected)


def _is_of_age(age: Mapping[str, Any], person: Person, collected: str | None) -> bool:
    """Return whether the person was certainly of this age on every day that the date may mean."""
    try:
        taken = read_collected(collected or "")
    except ParseError:
        return False
    if person.born is None:
        return False
    low, high = (_birthday(person.born, age.get(end)) for end in ("low", "high"))
    if (low is None) != ("low" not in age) or (high is None) != ("high" not in age):
        return False  # The age cannot be read.
    since = low is None or low[0] <= taken.first
    # "18 to 64 a" includes the year in which the person is 64.
    return since and (high is None or taken.last < high[1])


def _birthday(born: date, age: object) -> tuple[date, date] | None:
    """Return the day on which a person reaches an age, and the day on which it ends."""
    quantity = object_of(age)
    number, unit = quantity.get("value"), unit_of(quantity) or ""
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    count = int(number)
    if count != number or not 0 <= count <= 50_000:
        return None
    try:
        if months := _MONTHS.get(unit):
            return add_months(born, count * months), add_months(born, (count + 1) * months)
        if days := _DAYS.get(unit):
            start = born.toordinal() + count * days
            return date.fromordinal(start), date.fromordinal(start + days)
    except (ValueError, OverflowError):
        return None
    return None


def _limits(range_: Mapping[str, Any], path: str, notes: list[Note]) -> Limits:
    low, high = object_of(range_.get("low")), object_of(range_.get("high"))
    if not low and not high:
        return _printed_limits(range_.get("text"), path, notes)
    units = {unit for quantity in (low, high) if (unit := unit_of(quantity))}
    if len(units) > 1:
        text = "low and high are in different units: the range is not taken"
        notes.append(Note(path, "range-units", text))
        return _NONE
    return _number(low), _number(high), units.pop() if units else None


def _number(limit: Mapping[str, Any]) -> str | None:
    """Return the number as written, with its comparator: the grader refuses that as a limit."""
    value = limit.get("value")
    if value is None:
        return None
    if isinstance(value, bool | list | dict):
        return "unreadable"
    return f"{text_of(limit.get('comparator')) or ''}{value}"


def _printed_limits(text: object, path: str, notes: list[Note]) -> Limits:
    printed = text_of(text) or ""
    try:
        found = read_range(printed)
    except ParseError as error:
        notes.append(Note(f"{path}.text", error.code, error.message))
        return None, printed, None  # It is no number: the grader flags it.
    lln, uln = to_plain_text(found.lln), to_plain_text(found.uln)
    return lln, uln, found.unit
