"""The specimens of Observations: contained, or in the Bundle beside them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from toxgrade.fhir.elements import Element, modifier_path, object_of, objects, text_of
from toxgrade.fhir.members import MEMBERS, Group, Named
from toxgrade.fhir.references import Entry, identifier_key

Told = tuple[tuple[str, ...], ...]
"""Texts and codes of the type of each specimen; empty where nothing is told."""

_NOT_UNDERSTOOD: Told = (("not understood",),)
_MOST_NAMES = 40  # Of a specimen's type.
_MOST_HOLDERS = 10  # Reports and panels with different specimens that name one result.


class Specimens:
    """The Specimens of a Bundle, by ``Specimen/id``, URN or identifier, and what they are of.

    Each is read once: thousands of Observations may refer to it.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._found: dict[tuple[str, str | None], list[Told]] = defaultdict(list)
        self._anywhere: dict[str, list[Told]] = defaultdict(list)
        self._contained: dict[str, dict[str, Told]] = {}
        self._of_holders: dict[str, Told] = {}
        for entry in entries:
            if entry.kind == "Specimen":
                names = {entry.name, entry.address(entry.full_url or "")[1]} - {None, ""}
                identifiers = [entry.resource.get("accessionIdentifier")]
                identifiers += objects(entry.resource.get("identifier"))
                told = _type(entry.resource)
                for name in (*names, *filter(None, map(identifier_key, identifiers))):
                    self._found[str(name), entry.base].append(told)
                    self._anywhere[str(name)].append(told)
        self._named = Named(entries)
        self._held = self._read_holders(entries)

    def _read_holders(self, entries: Sequence[Entry]) -> dict[Group, dict[Told, None]]:
        """Return the specimens of reports and panels that have one alone: their results' too."""
        held: dict[Group, dict[Told, None]] = defaultdict(dict)
        for entry in (entry for entry in entries if entry.kind in MEMBERS):
            told = self._of_holder(entry)
            for member in objects(entry.resource.get(MEMBERS[entry.kind])) if told else ():
                for group in self._named.by(entry, text_of(member.get("reference")) or ""):
                    if len(held[group]) <= _MOST_HOLDERS:
                        held[group][told] = None
        return held

    def _of_holder(self, entry: Entry) -> Told:
        if entry.place not in self._of_holders:
            references = objects(entry.resource.get("specimen"))
            is_one = len(references) == 1
            told = self._read(references[0], entry.resource, entry) if is_one else ()
            self._of_holders[entry.place] = told
        return self._of_holders[entry.place]

    def of(self, resource: Element, entry: Entry) -> Told:
        """Return the type of an Observation's specimen, else what its reference displays.

        Where it names none, that of the report or panel that names or contains it.
        """
        told = self._read(object_of(resource.get("specimen")), resource, entry)
        if told:
            return told
        return self._of_holder(entry) if resource is not entry.resource else self._as_member(entry)

    def _as_member(self, entry: Entry) -> Told:
        groups = self._named.groups(entry.place)
        found = dict.fromkeys(told for group in groups for told in self._held.get(group, ()))
        if len(found) > _MOST_HOLDERS:
            return _NOT_UNDERSTOOD
        return tuple(names for told in found for names in told)

    def _read(self, reference: Element, resource: Element, entry: Entry) -> Told:
        target = text_of(reference.get("reference")) or ""
        if target.startswith("#"):
            found = self._of_contained(target[1:], resource, entry)
        else:
            found = self._in_bundle(target, reference, entry)
        if len(found) > 1:
            return _NOT_UNDERSTOOD
        if not found:
            display = text_of(reference.get("display"))
            return ((display,),) if display else ()
        return found[0]

    def _in_bundle(self, target: str, reference: Element, entry: Entry) -> list[Told]:
        """Return up to two that a reference may mean: its server's, else those of no address."""
        base, name = entry.address(target)
        key = name if target else identifier_key(reference.get("identifier")) or ""
        own = self._found.get((key, base), [])
        nearby = self._anywhere.get(key, []) if base is None else self._found.get((key, None), [])
        return (own or nearby)[:2]

    def _of_contained(self, name: str, resource: Element, entry: Entry) -> list[Told]:
        """Return the Specimen of this id in the resource, else in that which contains it."""
        if resource is not entry.resource:
            own = _contained(resource).get(name)
            if own is not None:
                return [own]
        if entry.place not in self._contained:
            self._contained[entry.place] = _contained(entry.resource)
        told = self._contained[entry.place].get(name)
        return [] if told is None else [told]


def _contained(holder: Element) -> dict[str, Told]:
    """Return what the contained Specimens are of, by id, of which the first counts."""
    found: dict[str, Told] = {}
    for inner in objects(holder.get("contained")):
        name = inner.get("id")
        if inner.get("resourceType") == "Specimen" and isinstance(name, str) and name not in found:
            found[name] = _type(inner)
    return found


def _type(specimen: Element) -> Told:
    """Return the texts and codes of a specimen's type, if it can be understood."""
    names = tuple(islice(_names(specimen), _MOST_NAMES + 1))
    if len(names) > _MOST_NAMES or modifier_path(specimen) is not None:
        return _NOT_UNDERSTOOD
    return (names,)


def _names(specimen: Element) -> Iterator[str]:
    """Yield the texts and codes of a specimen's type."""
    concept = object_of(specimen.get("type"))
    codings = objects(concept.get("coding"))
    written = [coding.get("display") for coding in codings]
    coded = [coding.get("code") for coding in codings]
    yield from filter(None, map(text_of, (*written, concept.get("text"), *coded)))
