"""The reference range of an Observation that applies to its patient: one, or none is taken."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import (
    LONGEST,
    Element,
    Note,
    codes,
    modifier_path,
    object_of,
    objects,
    text_of,
    unit_of,
    words_beside_units,
)
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.parse import read_collected, read_limit
from toxgrade.grading.phase import add_months
from toxgrade.grading.reference_ranges import read_range

Limits = tuple[str | None, str | None, str | None]
"""LLN, ULN and their own unit, as written."""

_NONE: Limits = (None, None, None)
_SEX = {
    "male": "male", "M": "male", "248153007": "male",
    "female": "female", "F": "female", "248152002": "female",
}  # fmt: skip
"""Codes of administrative gender in FHIR, HL7 v3 and SNOMED CT."""

_PLAIN = {
    "normal", "reference", "ref", "range", "ranges", "interval", "intervals", "value", "values",
    "limit", "limits", "low", "lower", "high", "upper", "lln", "uln", "from", "to", "and", "up",
    "between", "normalbereich", "referenzbereich", "bis",
}  # fmt: skip
"""Words of a text that say no more than that a range is the normal one."""

_SEX_WORDS = {
    "female": ("f", "female", "females", "woman", "women", "w", "weiblich", "frau", "frauen", "♀"),
    "male": ("m", "male", "males", "man", "men", "männlich", "mann", "männer", "♂"),
}
_AGE_WORDS = ("age", "aged", "adult", "adults", "year", "years", "yr", "yrs", "y", "months", "days")

_MONTHS = {"a": 12, "mo": 1}
_DAYS = {"wk": 7, "d": 1}


@dataclass(frozen=True, slots=True)
class Person:
    """What a reference range may depend on; None where it is not known."""

    sex: Literal["male", "female"] | None = None
    born: date | None = None


UNKNOWN_PERSON = Person()


def choose_range(
    element: Element,
    person: Person,
    collected: str | None,
    notes: list[Note],
    is_unit: Callable[[str], bool] = lambda _: False,
) -> Limits:
    """Return the limits of the normal range that applies; none where several with others might.

    A range for a sex or an age applies where the person's is known and meets it; one for anything
    else (a pregnancy, a race), in codes or in words, is not taken. Limits that are no numbers are
    passed on, so that the grader flags them. ``is_unit`` knows the units of the analyte.
    """
    found: set[Limits] = set()
    others: list[Note] = []
    for i, range_ in enumerate(objects(element.get("referenceRange"))):
        path = f"referenceRange[{i}]"
        if not _has_number(range_) and not range_.get("text"):
            continue
        if not _is_normal(range_):
            text = "by its type this is not a range of normal values: it is not taken"
            others.append(Note(path, "range-not-normal", text))
        elif modifier_path(range_):
            text = "a modifier that is not known may change what this range means: it is not taken"
            notes.append(Note(path, "range-not-applicable", text))
        elif not _applies(range_, person, collected):
            text = "this range is for some people, and it is not known that this is one of them"
            notes.append(Note(path, "range-not-applicable", text))
        elif _has_number(range_) and _says_else(range_, element, person, is_unit):
            text = "its text says more than normal, numbers and unit: it is not taken"
            notes.append(Note(path, "range-not-applicable", text))
        else:
            found.add(_limits(range_, path, notes, is_unit))
    if len(found) > 1:
        text = "several ranges could apply: none is taken"
        notes.append(Note("referenceRange", "several-ranges", text))
        return _NONE
    if found:
        return found.pop()
    notes.extend(others)  # Beside a normal range it is no news.
    return _NONE


def _is_normal(range_: Element) -> bool:
    """Return whether it is a range of normal values: its type says so, or it has no type."""
    kind = range_.get("type") or range_.get("meaning")  # DSTU2 calls it meaning.
    if kind is None:
        return True
    found = list(codes(kind))
    if found:
        return "normal" in found
    return (text_of(object_of(kind).get("text")) or "").casefold() in ("normal", "normal range")


def _has_number(range_: Element) -> bool:
    """Return whether a limit has a value: one that has only a unit says nothing."""
    return any(object_of(range_.get(end)).get("value") is not None for end in ("low", "high"))


def _says_else(
    range_: Element, element: Element, person: Person, is_unit: Callable[[str], bool]
) -> bool:
    """Return whether the text beside the numbers qualifies them: ``Critical``, ``Adult male``.

    Words for a sex or an age are fine where codes that say the same were met.
    """
    text = range_.get("text")
    if not isinstance(text, str):
        return False
    quantities = [object_of(q) for q in (range_.get("low"), range_.get("high"),
                                         element.get("valueQuantity"))]  # fmt: skip
    units = {u for q in quantities for u in (text_of(q.get("unit")), text_of(q.get("code"))) if u}
    known = set(_PLAIN)
    if person.sex and range_.get("appliesTo"):
        known.update(_SEX_WORDS[person.sex])
    if "age" in range_:
        known.update(_AGE_WORDS)
    return any(word not in known for word in words_beside_units(text, units, is_unit))


def _applies(range_: Element, person: Person, collected: str | None) -> bool:
    for group in objects(range_.get("appliesTo")):
        sexes = {_SEX[code] for code in codes(group) if code in _SEX}
        if person.sex is None or sexes != {person.sex}:
            return False
    age = range_.get("age")
    return age is None or _is_of_age(object_of(age), person, collected)


def _is_of_age(age: Element, person: Person, collected: str | None) -> bool:
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


def _limits(
    range_: Element, path: str, notes: list[Note], is_unit: Callable[[str], bool]
) -> Limits:
    """Return the numbers; where there is only one, the text may give the other."""
    if not _has_number(range_):
        return _printed_limits(range_.get("text"), path, notes)
    low, high = object_of(range_.get("low")), object_of(range_.get("high"))
    valued = [quantity for quantity in (low, high) if quantity.get("value") is not None]
    units = {unit for quantity in valued if (unit := unit_of(quantity))}
    if len(units) > 1:
        text = "low and high are in different units: the range is not taken"
        notes.append(Note(path, "range-units", text))
        return _NONE
    unit = units.pop() if units else None
    coded = _number(low), _number(high)
    try:
        printed = read_range(text_of(range_.get("text")) or "")
    except ParseError:
        return *coded, unit
    if printed.unit and not is_unit(printed.unit):
        return *coded, unit
    if unit and printed.unit and unit.casefold() != printed.unit.casefold():
        return *coded, unit  # The text has the range in another unit.
    pairs = list(zip(coded, (printed.lln, printed.uln), strict=True))
    if any(_differ(ours, theirs) for ours, theirs in pairs):
        text = "its numbers and its text name different limits: the range is not taken"
        notes.append(Note(f"{path}.text", "contradiction", text))
        return _NONE
    lln, uln = (ours or to_plain_text(theirs) for ours, theirs in pairs)
    return lln, uln, unit or printed.unit


def _differ(coded: str | None, printed: Decimal | None) -> bool:
    if coded is None or printed is None:
        return False
    try:
        return read_limit(coded).number != printed
    except ParseError:
        return False  # The grader flags it.


def _number(limit: Element) -> str | None:
    """Return the number as written, with its comparator: the grader refuses that as a limit."""
    if (value := limit.get("value")) is None:
        return None
    text = f"{text_of(limit.get('comparator')) or ''}{value}"
    is_odd = isinstance(value, bool | list | dict) or len(text) > LONGEST
    return "unreadable" if is_odd else text


def _printed_limits(text: object, path: str, notes: list[Note]) -> Limits:
    printed = text_of(text) or ""
    try:
        found = read_range(printed)
    except ParseError as error:
        notes.append(Note(f"{path}.text", error.code, error.message))
        return None, printed, None  # It is no number: the grader flags it.
    lln, uln = to_plain_text(found.lln), to_plain_text(found.uln)
    return lln, uln, found.unit
