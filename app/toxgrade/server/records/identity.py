"""The identity of a result, which says when two are the same, and the content to compare."""

import hashlib
from collections.abc import Hashable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import TypeVar

from msgspec.structs import replace

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.result import LabResult, to_plain_text
from toxgrade.grading.units import Names

Loc = tuple[str | int, ...]
K = TypeVar("K", bound=Hashable)


def identity(result: LabResult, names: Names) -> str:
    """Return the SHA-256 of what makes a result the same one when it is sent again.

    That is the analyte with the sender's own ``source_id`` (a specimen's number covers several
    analytes), or without one the analyte, date, value, unit and limits. Spelling does not matter:
    ``TBIL`` equals ``bilirubin``, and ``1.80`` equals ``1.8``.
    """
    texts = ("null" if p is None else encode_basestring_ascii(p) for p in _parts(result, names))
    return hashlib.sha256(f"[{', '.join(texts)}]".encode()).hexdigest()


def _parts(result: LabResult, names: Names) -> tuple[str | None, ...]:
    """Return what ``identity`` hashes."""
    analyte = names.analyte(result.analyte)
    name = analyte.name if analyte else result.analyte.strip().casefold()
    if result.source_id is not None:
        return name, result.source_id
    return name, "", *_measurement(result, names)


def content(result: LabResult, names: Names) -> list[str | None]:
    """Return what decides whether a result sent again differs from the stored one."""
    lab = result.lab.strip().casefold() if result.lab else None
    marks = [result.unreadable, "unreadable-limit" if result.unreadable_limit else None]
    return [*_measurement(result, names), result.status, lab, *marks]


def _measurement(result: LabResult, names: Names) -> list[str | None]:
    analyte = names.analyte(result.analyte)

    def unit(text: str | None) -> str | None:
        known = names.unit(analyte, text) if analyte and text else None
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
    return None if number is None else to_plain_text(number.normalize())


def identities(sent: Sequence[tuple[Loc, LabResult]], names: Names) -> list[str]:
    """Return the identity of each result of a request."""
    return [identity(result, names) for _, result in sent]


def distinct(
    sent: Sequence[tuple[Loc, LabResult]], keys: Sequence[K], names: Names
) -> dict[K, LabResult]:
    """Return the results of one request by ``keys``, which stand for their identities.

    Two results with equal content become one, which is a baseline if either is declared as one.

    Raises:
        RequestError: one identity has two contents, and no order says which of them counts.
    """
    found: dict[K, LabResult] = {}
    faults = []
    for key, (loc, result) in zip(keys, sent, strict=True):
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
    return found


def refuse_contradictions(sent: Sequence[tuple[Loc, LabResult]], names: Names) -> None:
    """Raise what ``distinct`` raises, without the cost of hashing identities."""
    distinct(sent, [_parts(result, names) for _, result in sent], names)
