"""FHIR Observations as the rows of an export: NDJSON files, as servers write them in bulk."""

from collections.abc import Mapping
from typing import Any

from toxgrade.fhir.elements import object_of, objects, text_of
from toxgrade.fhir.observation import UNREADABLE, read_observation
from toxgrade.fhir.references import Entry
from toxgrade.fhir.specimen import Specimens
from toxgrade.grading.units import Names


def observation_rows(resource: Mapping[str, Any], names: Names) -> list[dict[str, str | None]]:
    """Return the values of an Observation as rows of an export with our own columns.

    Raises:
        ValueError: it is another resource; the message has what was expected, never the content.
    """
    if resource.get("resourceType") != "Observation":
        raise ValueError("expected resourceType Observation")
    columns = ("analyte", "value", "unit", "lln", "uln", "limit_unit", "collected", "status",
               "source_id", "indicator")  # fmt: skip
    told = Specimens(()).of(resource, Entry("Observation", None, resource))
    shared = {"patient": _patient(resource), "specimen": names.one_specimen(told)}
    who = object_of(resource.get("subject")).get("reference")
    is_own = all(one.get("reference") == who for one in objects(resource.get("focus")))
    other = {} if is_own else {"value": UNREADABLE}  # It is a fetus's, a donor's or a device's.
    return [
        shared | {name: getattr(value, name) for name in columns} | other
        for value in read_observation(resource, names)
    ]


def _patient(resource: Mapping[str, Any]) -> str | None:
    """Return the id in the subject's ``Patient/123`` or ``urn:uuid:…``; None if there is none.

    Ids of other resources, also of contained ones, are none: they would join what is not one.
    """
    reference = text_of(object_of(resource.get("subject")).get("reference")) or ""
    kind, _, name = reference.partition("/_history/")[0].rpartition("/")
    if "#" in name or "?" in reference or kind.rpartition("/")[2] not in ("", "Patient"):
        return None
    return name.removeprefix("urn:uuid:") or None
