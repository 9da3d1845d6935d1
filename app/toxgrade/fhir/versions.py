"""The versions of one resource in a Bundle, of which the latest counts."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from toxgrade.fhir.elements import Element, Note, object_of, objects, text_of, version_number
from toxgrade.fhir.references import Entry

_Order = TypeVar("_Order", int, datetime)


def latest_versions(entries: Sequence[Entry], bundle: object, notes: list[Note]) -> list[Entry]:
    """Return the entries without versions of a resource that later ones replace; those are told.

    Without a server, an id with another time may be another resource's. In a history it is not,
    whose newest versions come first, and a deletion is the last of those below it.
    """
    is_history = object_of(bundle).get("type") == "history"
    left_out: dict[str, Note] = {}
    if is_history:
        left_out |= _deleted(entries, objects(object_of(bundle).get("entry")))
    groups: dict[tuple[object, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.name and entry.place not in left_out:
            is_named = is_history or entry.base is not None
            time = None if is_named else str(entry.resource.get("effectiveDateTime"))
            groups[entry.full_url, entry.name, time].append(entry)
    text = "the Bundle has a later version of this resource, which counts instead"
    for group in groups.values():
        if len(group) > 1 and any(entry.resource != group[0].resource for entry in group):
            for entry in _replaced(group) or (group[1:] if is_history else ()):
                left_out[entry.place] = Note(entry.place, "older-version", text)
    notes += [left_out[entry.place] for entry in entries if entry.place in left_out]
    return [entry for entry in entries if entry.place not in left_out]


def _deleted(entries: Sequence[Entry], written: Sequence[Element]) -> dict[str, Note]:
    """Return notes on the versions that stand below the deletion of their resource, by place."""
    by_place = {entry.place: entry for entry in entries}
    text = "this resource was deleted later: it is not taken"
    found: dict[str, Note] = {}
    deleted: set[str] = set()
    start = entries[0].place.partition(".entry[")[0] if entries else ""
    for i, one in enumerate(written):
        request = object_of(one.get("request"))
        if request.get("method") == "DELETE":
            deleted |= {
                name for name in map(text_of, (one.get("fullUrl"), request.get("url"))) if name
            }
        entry = by_place.get(f"{start}.entry[{i}].resource")
        if entry and deleted & {entry.full_url, entry.name}:
            found[entry.place] = Note(entry.place, "deleted", text)
    return found


def _replaced(group: Sequence[Entry]) -> list[Entry]:
    """Return the versions that a later one replaces; none if it is not known which is the later."""
    return (
        _earlier(group, [version_number(entry.resource) for entry in group])
        or _earlier(group, [_instant(_updated(entry.resource)) for entry in group])
        or _earlier(group, [_instant(entry.resource.get("issued")) for entry in group])
    )


def _earlier(group: Sequence[Entry], order: Sequence[_Order | None]) -> list[Entry]:
    """Return the entries before the last of an order; none if that is not one and the same."""
    known = [at for at in order if at is not None]
    if len(known) < len(group):
        return []
    last = max(known)
    latest = [entry for entry, at in zip(group, known, strict=True) if at == last]
    if any(entry.resource != latest[0].resource for entry in latest):
        return []
    return [entry for entry, at in zip(group, known, strict=True) if at != last]


def _updated(resource: Element) -> object:
    return object_of(resource.get("meta")).get("lastUpdated")


def _instant(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None
