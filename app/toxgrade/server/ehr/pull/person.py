"""One person's Patient resources on a server: those that are listed, and those merged with them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from toxgrade.errors import RequestError, SourceError
from toxgrade.fhir.elements import Element, object_of, objects, text_of
from toxgrade.server.ehr.pull.fhir_server import NotThere, Server

_MOST = 20  # Nobody was merged from more resources; a server that names more leads in a circle.
_MERGED = ("replaced-by", "replaces")
_REFERENCE = re.compile(
    r"(?P<base>https?://\S+/)?Patient/(?P<id>[A-Za-z0-9\-.]{1,64})(/_history/.*)?"
)


@dataclass(frozen=True, slots=True)
class Person:
    """The Patient ``in_use`` under the id ``own``; ``versions`` by id, also of what it replaced.

    A version is the server's time of the last change (None: not told).
    ``base`` is the server's address. ``told`` names records that are not known to be merged.
    """

    base: str
    own: str
    in_use: Element
    versions: Mapping[str, str | None]
    told: tuple[str, ...] = ()

    def named_by_own(self, resource: dict[str, object]) -> dict[str, object]:
        """Return a resource with the own id as its subject if that is another id of the person."""
        subject = object_of(resource.get("subject"))
        if _id_here(subject, self.base) not in self.versions:
            return resource
        return resource | {"subject": {**subject, "reference": f"Patient/{self.own}"}}


def read_person(server: Server, listed: Sequence[str]) -> Person:
    """Return the person who has these ids, and those merged with them (R4, Patient.link).

    Raises:
        SourceError: a Patient that is listed is not there, or another one is answered.
        RequestError: those listed are certainly not one person.
    """
    base, waiting = str(server.base), list(listed)
    found: dict[str, Element] = {}
    while waiting:
        if (fhir_id := waiting.pop(0)) in found:
            continue
        if len(found) == _MOST:
            raise SourceError(f"the Patient is merged with {_MOST} others or more")
        try:
            found[fhir_id] = _read(server, fhir_id)
        except NotThere:
            if fhir_id in listed:
                raise
            found[fhir_id] = {}  # It was merged and deleted; results may still be filed under it.
        waiting += _merged(found[fhir_id], base)
    in_use = _in_use(found)
    versions = {
        fhir_id: text_of(object_of(patient.get("meta")).get("lastUpdated")) if patient else "gone"
        for fhir_id, patient in found.items()
    }
    return Person(base, *in_use, versions, tuple(_told(found, base)))


def _read(server: Server, fhir_id: str) -> dict[str, object]:
    patient = server.resource(f"Patient/{fhir_id}")
    if patient.get("resourceType") != "Patient":
        raise SourceError("the server answered with another resource than the Patient")
    is_same = patient.get("id") in (None, fhir_id)
    # Some servers answer the read of a replaced Patient with the one that replaced it.
    if not is_same and fhir_id not in _merged(patient, str(server.base)):
        raise SourceError("the server answered with another Patient than the one asked for")
    return patient


def _merged(patient: Element, base: str) -> list[str]:
    """Return the ids of Patients that this one replaces or is replaced by, and its own."""
    linked = [
        found
        for link in objects(patient.get("link"))
        if link.get("type") in _MERGED and (found := _id_here(link.get("other"), base))
    ]
    own = _id_here({"reference": f"Patient/{patient.get('id')}"}, base)
    return [*linked, own] if own and patient else linked


def _id_here(reference: object, base: str) -> str | None:
    """Return the id of the Patient that a Reference names on this server; None: it does not."""
    match = _REFERENCE.fullmatch(text_of(object_of(reference).get("reference")) or "")
    is_here = match and (match["base"] is None or _plain(match["base"]) == _plain(base))
    return match["id"] if match and is_here else None


def _plain(base: str) -> str:
    return base.partition("://")[2].lower()


def _in_use(found: Mapping[str, Element]) -> tuple[str, Element]:
    """Return id and resource of the Patient that none replaced; the first, if there are several.

    Raises:
        RequestError: they differ in sex or date of birth.
        SourceError: none is there.
    """
    there = {i: one for i, one in found.items() if one and one.get("id") in (None, i)}
    if not there:
        raise SourceError("the Patient that replaced the one asked for is not there")
    used = {i: one for i, one in there.items() if "replaced-by" not in _types(one)} or there
    for name in ("gender", "birthDate"):
        told = {str(one[name]) for one in used.values() if one.get(name) not in (None, "unknown")}
        *others, longest = sorted(told, key=len) or [""]
        if not all(longest.startswith(one) for one in others):  # A date may be a year only.
            raise RequestError(f"the Patients listed for this patient differ in {name}")
    return next(iter(used.items()))


def _types(patient: Element) -> list[object]:
    return [link.get("type") for link in objects(patient.get("link"))]


def _told(found: Mapping[str, Element], base: str) -> Iterator[str]:
    for patient in found.values():
        for link in objects(patient.get("link")):
            other = object_of(link.get("other"))
            named = text_of(other.get("reference")) or ""
            if "RelatedPerson/" not in named and _id_here(other, base) not in found:
                yield "Patient.link: it names a further record of this patient, which is not asked"
