"""What the references in a Bundle lead to: whose a resource is.

A relative reference is resolved by its entry's fullUrl (R4, bundle.html#references). Where there is
no such root, it is of the one server in the Bundle that has this ``Type/id``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import Element, Note, modifier_path, object_of, objects, text_of
from toxgrade.fhir.reference_range import Person
from toxgrade.grading.parse import read_collected

_ADDRESS = re.compile(r"(?P<base>https?://\S+/)?(?P<name>[A-Z][A-Za-z]+/[^/\s?#|]+)")
_HOST = re.compile(r"https?://([^/]+)", re.IGNORECASE)
_BY_IDENTIFIER = re.compile(r"(?:.*/)?Patient\?identifier=([^&]+)")
_IRRELEVANT = frozenset({"contact", "communication", "link", "contained"})  # of a Patient
_HELD = ("Procedure", "DiagnosticReport", "Observation")
"""Resources that have a subject and may contain others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource of a Bundle, its place (FHIRPath) and its entry's fullUrl."""

    place: str
    full_url: str | None
    resource: Element

    @property
    def kind(self) -> str:
        return str(self.resource["resourceType"])

    @property
    def base(self) -> str | None:
        """The address of the server that has it, by its fullUrl; None: that names none."""
        return _split(self.full_url or "")[0]

    @property
    def name(self) -> str | None:
        """``Type/id``; None if it has no id."""
        found = text_of(self.resource.get("id"))
        return f"{self.kind}/{found}" if found else None

    def address(self, reference: str) -> tuple[str | None, str]:
        """Return the server and ``Type/id`` that a reference in this resource leads to."""
        base, name = _split(reference)
        is_relative = base is None and _ADDRESS.fullmatch(name) is not None
        return (self.base if is_relative else base), name


@lru_cache(4096)  # A Bundle has few patients.
def _split(address: str) -> tuple[str | None, str]:
    """Return server and ``Type/id`` of an address; a URN is a name without a server."""
    target = address.partition("/_history/")[0]
    if target.lower().startswith("urn:"):
        return None, target.lower()
    match = _ADDRESS.fullmatch(target)
    return (_server(match["base"]), match["name"]) if match else (None, target)


def _server(base: str | None) -> str | None:
    """Return a base in one spelling: https and http, and a default port, make no other server."""
    if base is None:
        return None
    host = _HOST.sub(lambda m: "https://" + m[1].lower(), base, count=1)
    return re.sub(r"^(https://[^/]+):(?:443|80)/", r"\1/", host)


class People:
    """The patients of a Bundle, by one name each; ``persons`` are those of whom more is known."""

    def __init__(self, entries: Sequence[Entry], notes: list[Note]) -> None:
        self.persons: dict[str | None, Person] = {}
        self._servers: dict[str, set[str]] = defaultdict(set)
        self._named: dict[str, str] = {}
        self._of_patients: dict[str, set[str]] = defaultdict(set)
        self._beside: dict[str, set[str]] = defaultdict(set)
        self._inner: dict[str, dict[str, list[Element]]] = {}
        self._contained_names: dict[str, str] = {}
        patients = [entry for entry in entries if entry.kind == "Patient"]
        self._find_servers(entries, patients)
        for entry in patients:
            self._add(entry, notes)
        for entry, resource in _resources(entries):
            subject = object_of(resource.get("subject"))
            key, who = identifier_key(subject.get("identifier")), self._by(entry, subject)
            if key and who:
                self._beside[key].add(who)

    def of(self, resource: Element, entry: Entry) -> str | None:
        """Return the name of the subject of a resource in an entry; None: it names none."""
        subject = object_of(resource.get("subject"))
        reference = text_of(subject.get("reference")) or ""
        if reference.startswith("#"):
            return self._contained(entry, reference)
        found = self._by(entry, subject)
        if found in self.persons:
            return found
        by_reference = _BY_IDENTIFIER.fullmatch(reference)
        key = (
            unquote(by_reference[1]) if by_reference else identifier_key(subject.get("identifier"))
        )
        if key is None:
            return found
        is_known = self._of_patients[key] if key in self._of_patients else self._beside.get(key, ())
        if len(is_known) == 1 and (found is None or by_reference or key in self._of_patients):
            return next(iter(is_known))
        return f"?identifier={key}" if by_reference else found or key

    def _find_servers(self, entries: Sequence[Entry], patients: Sequence[Entry]) -> None:
        """Note which servers each ``Patient/id`` is of; several: they are not one patient."""
        for entry in patients:
            if entry.name and entry.base:
                self._servers[entry.name].add(entry.base)
        for entry, resource in _resources(entries):
            reference = text_of(object_of(resource.get("subject")).get("reference"))
            base, name = entry.address(reference or "")
            if base:
                self._servers[name].add(base)
        urls = defaultdict(set)
        for entry in patients:
            if entry.name and entry.full_url:
                urls[entry.name].add("".join(part or "" for part in _split(entry.full_url)))
        for name, several in urls.items():
            if len(several) > 1:
                self._servers[name] |= several

    def _add(self, entry: Entry, notes: list[Note]) -> None:
        """Add a Patient of the Bundle under its name."""
        full = "".join(part or "" for part in _split(entry.full_url or ""))
        name = self._name(entry.base, entry.name) if entry.name else full
        if entry.name and full.startswith("urn:") and full in self._servers.get(entry.name, ()):
            name = full
        if not name:
            return
        self._named[full or name] = self._named[name] = name
        for identifier in objects(entry.resource.get("identifier")):
            if key := identifier_key(identifier):
                self._of_patients[key].add(name)
        self.persons[name] = _person(entry.resource, entry.place, notes)

    def _name(self, base: str | None, name: str) -> str:
        several = len(self._servers.get(name, ())) > 1
        return f"{base}{name}" if base and several else name

    def _by(self, entry: Entry, subject: Element) -> str | None:
        """Return whom the reference of a subject names; None: it has none."""
        reference = text_of(subject.get("reference"))
        if reference is None or reference.startswith("#") or _BY_IDENTIFIER.fullmatch(reference):
            return None
        base, name = entry.address(reference)
        return self._named.get(f"{base or ''}{name}") or self._name(base, name)

    def _contained(self, entry: Entry, reference: str) -> str:
        """Return whom a contained Patient is; thousands of resources may refer to one."""
        if entry.place not in self._inner:
            by_id = self._inner[entry.place] = defaultdict(list)
            for inner in objects(entry.resource.get("contained")):
                by_id["#" + (text_of(inner.get("id")) or "").removeprefix("#")].append(inner)
        own = f"{entry.place}{reference}"
        if own not in self._contained_names:
            several = self._inner[entry.place].get(reference, [])
            self._contained_names[own] = self._of_contained(several, own, entry.place)
        return self._contained_names[own]

    def _of_contained(self, several: Sequence[Element], own: str, place: str) -> str:
        """Return whom contained resources of one id are, by identifiers, else by their place."""
        for inner in several:
            keys = [k for one in objects(inner.get("identifier")) if (k := identifier_key(one))]
            for known in (self._of_patients, self._beside):
                if found := _only(known.get(key, ()) for key in keys):
                    return found
            own = keys[0] if keys else own
            self.persons.setdefault(own, _person(inner, place, []))
        return own


def _only(groups: Iterable[Iterable[str]]) -> str | None:
    """Return what is in the groups, if that is one alone; each may have thousands."""
    found: set[str] = set()
    for group in groups:
        found.update(islice(group, 2))
        if len(found) > 1:
            return None
    return next(iter(found), None)


def _resources(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Element]]:
    """Yield every resource that has a subject, contained ones with their container's entry."""
    for entry in entries:
        if entry.kind in _HELD:
            yield entry, entry.resource
            for inner in objects(entry.resource.get("contained")):
                yield entry, inner


def identifier_key(identifier: object) -> str | None:
    """Return an Identifier as ``system|value``; None where it has no value."""
    value = text_of((found := object_of(identifier)).get("value"))
    return f"{text_of(found.get('system')) or ''}|{value}" if value else None


def _person(resource: Element, place: str, notes: list[Note]) -> Person:
    """Return a Patient's sex and birth date; unknown where a modifier may change them."""
    if path := modifier_path(resource, _IRRELEVANT):
        text = "this may change what the Patient means: sex and birth date are not read"
        notes.append(Note(f"{place}.{path}", "not-understood", text))
        return Person()
    sex = resource.get("gender")
    try:
        born = read_collected(text_of(resource.get("birthDate")) or "")
    except ParseError:
        born = None
    day = born.first if born and born.first == born.last else None
    return Person(sex if sex in ("male", "female") else None, day)
