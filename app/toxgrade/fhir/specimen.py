"""The specimens of Observations: contained, or in the Bundle beside them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toxgrade.fhir.elements import modifier_path, object_of, objects, text_of
from toxgrade.fhir.references import MEMBERS, Entry, identifier_key, observations_by_address

Told = tuple[tuple[str, ...], ...]
"""Texts and codes of the type of each specimen; empty where nothing is told."""

_NOT_UNDERSTOOD: Told = (("not understood",),)


class Specimens:
    """The Specimens of a Bundle, by ``Specimen/id``, URN or identifier, and what they are of."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._found: dict[str, list[Entry]] = defaultdict(list)
        self._held: dict[str, Told] = {}
        for entry in entries:
            if entry.kind == "Specimen":
                names = {entry.name, entry.address(entry.full_url or "")[1]} - {None, ""}
                identifiers = [entry.resource.get("accessionIdentifier")]
                identifiers += objects(entry.resource.get("identifier"))
                for name in (*names, *filter(None, map(identifier_key, identifiers))):
                    self._found[str(name)].append(entry)
        self._read_holders(entries)

    def _read_holders(self, entries: Sequence[Entry]) -> None:
        """Note the specimen of each report or panel that has one alone: its results are of it."""
        places = observations_by_address(entries)
        for entry in (entry for entry in entries if entry.kind in MEMBERS):
            told = self._of_holder(entry)
            for member in objects(entry.resource.get(MEMBERS[entry.kind])) if told else ():
                reference = text_of(member.get("reference")) or ""
                for place in places.get(entry.address(reference), ()):
                    self._held[place] = self._held.get(place, ()) + told

    def _of_holder(self, entry: Entry) -> Told:
        references = objects(entry.resource.get("specimen"))
        return self._read(references[0], entry.resource, entry) if len(references) == 1 else ()

    def of(self, resource: Mapping[str, Any], entry: Entry) -> Told:
        """Return the type of an Observation's specimen, else what its reference displays.

        Where it names none, that of the report or panel that names or contains it.
        """
        told = self._read(object_of(resource.get("specimen")), resource, entry)
        is_contained = resource is not entry.resource
        return told or (self._of_holder(entry) if is_contained else self._held.get(entry.place, ()))

    def _read(
        self, reference: Mapping[str, Any], resource: Mapping[str, Any], entry: Entry
    ) -> Told:
        target = text_of(reference.get("reference")) or ""
        if target.startswith("#"):
            found = _contained((resource, entry.resource), target[1:])
        else:
            found = self._in_bundle(target, reference, entry)
        if len(found) > 1:
            return _NOT_UNDERSTOOD
        if not found:
            display = text_of(reference.get("display"))
            return ((display,),) if display else ()
        return (tuple(_type(found[0])),) if modifier_path(found[0]) is None else _NOT_UNDERSTOOD

    def _in_bundle(
        self, target: str, reference: Mapping[str, Any], entry: Entry
    ) -> list[Mapping[str, Any]]:
        """Return what a reference may mean: that of its server, else those of no address."""
        base, name = entry.address(target)
        key = name if target else identifier_key(reference.get("identifier")) or ""
        named = self._found.get(key, [])
        own = [one for one in named if one.base == base]
        nearby = [one for one in named if base is None or one.base is None]
        return [one.resource for one in own or nearby]


def _contained(holders: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    for holder in holders:
        for inner in objects(holder.get("contained")):
            if inner.get("resourceType") == "Specimen" and inner.get("id") == name:
                return [inner]
    return []


def _type(specimen: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts and codes of a specimen's type."""
    concept = object_of(specimen.get("type"))
    codings = objects(concept.get("coding"))
    written = [coding.get("display") for coding in codings]
    coded = [coding.get("code") for coding in codings]
    yield from filter(None, map(text_of, (*written, concept.get("text"), *coded)))
