"""The identity of a result, which says when two are the same, and the content to compare.

``docs/identity.md`` states the rules and their reasons; ``matching.py`` applies them.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from json.encoder import encode_basestring_ascii

from msgspec.structs import replace

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.digits import to_plain_text, without_noise
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names

Loc = tuple[str | int, ...]
Source = tuple[str, str]
"""What the results of one number share: the analyte's name and the ``source_id``."""

OWN_NUMBER = " own number "
"""Stands in a scope before the number that the result has for itself, if it has one."""


def identity(result: LabResult, names: Names, *, twin: bool = False) -> str:
    """Return the SHA-256 of what makes a result the same one when it is sent again.

    That is the analyte with the sender's own ``source_id``, its scope and the time (serial values
    of one order bear one number; in the hour that is repeated when summer time ends, the offset
    tells them apart), or without a number the analyte, date, value, unit and limits. Spelling does
    not matter: ``TBIL`` equals ``bilirubin``, and ``1.80`` equals ``1.8``; names are ours, never
    those of a study's dictionary, which may change. ``twin`` adds the content: a second value of
    one number and time is a result of its own.
    """
    parts = [*_parts(result, names), *(content(result, names) if twin else ())]
    texts = ("null" if p is None else encode_basestring_ascii(p) for p in parts)
    return hashlib.sha256(f"[{', '.join(texts)}]".encode()).hexdigest()


def _parts(result: LabResult, names: Names) -> tuple[str | None, ...]:
    """Return what ``identity`` hashes."""
    source = source_of(result, names)
    if source is not None:
        return *source, result.source_scope, _minute_and_offset(result)
    return _name(result, names), "", *_measurement(result, names)


def source_of(result: LabResult, names: Names) -> Source | None:
    """Return what the result shares with others of its number; None: it has no number."""
    number = (result.source_id or "").strip()
    return (_name(result, names), number) if number else None


def minute(result: LabResult) -> str | None:
    """Return the time as written, to the minute; a date without a time equals only itself."""
    collected = result.collected
    if collected is None or collected.time is None:
        return collected.text if collected else None
    return f"{collected.first}T{collected.time:%H:%M}"


def _minute_and_offset(result: LabResult) -> str | None:
    offset = utc_offset(result)
    return minute(result) if offset is None else f"{minute(result)} {offset}"


def utc_offset(result: LabResult) -> timedelta | None:
    """Return the offset from UTC of the time as written; None where there is none."""
    collected = result.collected
    if collected is None or collected.time is None:
        return None
    return datetime.fromisoformat(collected.text).utcoffset()


def split_scope(scope: str | None) -> tuple[str, str]:
    """Return a scope without the result's own number, and that number."""
    base, _, own = (scope or "").partition(OWN_NUMBER)
    return base, own


def one_time(results: Sequence[LabResult], names: Names) -> list[list[LabResult]]:
    """Return the results of one message, grouped by the result and time that they may be.

    Own numbers and offsets from UTC tell two of them apart only where all of a group have one.
    """
    groups: dict[Hashable, list[LabResult]] = {}
    for result in results:
        source = source_of(result, names)
        number = (source, split_scope(result.source_scope)[0], minute(result))
        key = number if source else identity(result, names)
        groups.setdefault(key, []).append(result)
    found = [*groups.values()]
    for known in (utc_offset, _own_number):
        found = [part for group in found for part in _told_apart(group, known)]
    return found


def _own_number(result: LabResult) -> str | None:
    return split_scope(result.source_scope)[1] or None


def _told_apart(
    group: list[LabResult], known: Callable[[LabResult], Hashable]
) -> list[list[LabResult]]:
    """Return the group in parts by what is known of each result; whole if it is not of one."""
    parts: dict[Hashable, list[LabResult]] = {}
    for result in group:
        parts.setdefault(known(result), []).append(result)
    return [group] if None in parts else [*parts.values()]


def may_be_one(one: LabResult, other: LabResult) -> bool:
    """Return whether two results of one number and minute may be the same one."""
    pairs = ((known(one), known(other)) for known in (utc_offset, _own_number))
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _name(result: LabResult, names: Names) -> str:
    analyte = names.own.analyte(result.analyte)
    return analyte.name if analyte else result.analyte.strip().casefold()


def content(result: LabResult, names: Names) -> list[str | None]:
    """Return what decides whether a result sent again differs from the stored one."""
    lab = result.lab.strip().casefold() if result.lab else None
    marks = [result.unreadable, "unreadable-limit" if result.unreadable_limit else None]
    told = {"specimen": result.specimen, "indicator": result.indicator}
    # Only what was told is added: what was stored before these were read stays as it was.
    said = [f"{what} {text.strip().casefold()}" for what, text in told.items() if text]
    return [*_measurement(result, names), result.status, lab, *marks, *said]


def value_and_unit(result: LabResult, names: Names) -> tuple[str | None, ...]:
    """Return the number with its comparator, and the unit, however they are spelled."""
    return tuple(_measurement(result, names)[1:3])


def _measurement(result: LabResult, names: Names) -> list[str | None]:
    analyte = names.own.analyte(result.analyte)

    def unit(text: str | None) -> str | None:
        known = names.own.unit(analyte, text) if analyte and text else None
        return known.name if known else text

    value = result.value
    return [
        result.collected.text if result.collected else None,
        None if value is None else f"{value.comparator}{_number(value.number)}",
        unit(result.unit),
        _number(result.lln),
        _number(result.uln),
        unit(result.limit_unit or result.unit),
    ]


def _number(number: Decimal | None) -> str | None:
    return None if number is None else to_plain_text(without_noise(number).normalize())


def distinct(sent: Sequence[tuple[Loc, LabResult]], names: Names) -> list[LabResult]:
    """Return the results of one request, those with equal content as one.

    Such a one is a baseline if either is declared as one.

    Raises:
        RequestError: one identity has two contents, and no order says which of them counts.
    """
    found: dict[tuple[str | None, ...], LabResult] = {}
    faults = []
    for loc, result in sent:
        key = _parts(result, names)
        twin = found.setdefault(key, result)
        if twin is result:
            continue
        if content(twin, names) != content(result, names):
            text = "this result is there twice with different content; send one, or two requests"
            faults.append(FieldFault(loc, "two-contents", text))
        elif result.is_baseline and not twin.is_baseline:
            found[key] = replace(twin, is_baseline=True)
    if faults:
        raise RequestError("a result is there twice with different content", faults)
    return list(found.values())


def refuse_contradictions(sent: Sequence[tuple[Loc, LabResult]], names: Names) -> None:
    """Raise what ``distinct`` raises."""
    distinct(sent, names)
