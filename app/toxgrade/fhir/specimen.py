"""The specimens of Observations: contained, or in the Bundle beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toxgrade.fhir.elements import modifier_path, object_of, objects, text_of
from toxgrade.fhir.references import Entry

Told = tuple[tuple[str, str], ...]
"""Code and text of each coding of a specimen's type; empty where nothing is told."""

_NOT_UNDERSTOOD: Told = (("", "not understood"),)


class Specimens:
    """The Specimens of a Bundle, by their server and ``Specimen/id`` or URN."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._found: dict[tuple[str | None, str], Mapping[str, Any]] = {}
        for entry in entries:
            if entry.kind == "Specimen":
                names = [(entry.base, entry.name)] if entry.name else []
                for base, name in (*names, entry.address(entry.full_url or "")):
                    self._found[base, name or ""] = self._found[None, name or ""] = entry.resource

    def of(self, resource: Mapping[str, Any], entry: Entry) -> Told:
        """Return the type of a resource's specimen, else what its reference displays."""
        reference = object_of(resource.get("specimen"))
        target = text_of(reference.get("reference")) or ""
        specimen = (
            _contained((resource, entry.resource), target[1:])
            if target.startswith("#")
            else self._found.get(entry.address(target))
            if target
            else None
        )
        if specimen is None:
            display = text_of(reference.get("display"))
            return (("", display),) if display else ()
        return tuple(_type(specimen)) if modifier_path(specimen) is None else _NOT_UNDERSTOOD


def _contained(holders: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    for holder in holders:
        for inner in objects(holder.get("contained")):
            if inner.get("resourceType") == "Specimen" and inner.get("id") == name:
                return inner
    return None


def _type(specimen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    concept = object_of(specimen.get("type"))
    written = text_of(concept.get("text")) or ""
    codings = objects(concept.get("coding"))
    for coding in codings:
        code = text_of(coding.get("code")) or ""
        # A code that is known says more than a text; one that is not may have a text that is.
        yield code, text_of(coding.get("display")) or ("" if len(codings) > 1 else written)
    if not codings and written:
        yield "", written
