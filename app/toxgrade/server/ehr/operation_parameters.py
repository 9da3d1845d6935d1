"""The parameters of ``$ctcae-grade``, parsed from a bare Bundle or from a Parameters resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Literal, NoReturn

from toxgrade.errors import FieldFault, ParseError, RequestError
from toxgrade.fhir.bundle import BARE, Contents
from toxgrade.fhir.elements import MODIFIERS, Element, object_of, objects, text_of
from toxgrade.grading.parse import ACCEPTED_START, read_collected, read_start
from toxgrade.grading.phase import course_faults
from toxgrade.grading.result import Course
from toxgrade.server.records.studies import PATIENT_NAME, STUDY_NAME

Output = Literal["observation", "adverse-event"]

PARAMETERS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "bundle": (("resource",), "Resource"),
    "patient": (("valueString", "valueId", "valueReference"), "string"),
    "radiotherapyStart": (("valueDate", "valueDateTime"), "dateTime"),
    "radiotherapyEnd": (("valueDate",), "date"),
    "study": (("valueString", "valueId"), "string"),
    "persist": (("valueBoolean",), "boolean"),
    "output": (("valueCode", "valueString"), "code"),
    "preliminary": (("valueBoolean",), "boolean"),
}
"""By parameter name: the elements that may hold its value, and its OperationDefinition type."""

DOCUMENTATION = {
    "bundle": "A Bundle of Observations to grade, with Patients and radiotherapy Procedures; or one"
    " Observation or DiagnosticReport.",
    "patient": "The study's pseudonym: says that all is one patient's, and names who is stored.",
    "radiotherapyStart": "First day of radiotherapy, and its time if that is known; goes before any"
    " Procedure.",
    "radiotherapyEnd": "Last day of radiotherapy; goes before any Procedure.",
    "study": "The study whose rules decide, and that stores.",
    "persist": "Store the results under the patient; false if absent.",
    "output": "observation (if absent) or adverse-event.",
    "preliminary": "Grade preliminary results too; not with persist.",
}
"""What the OperationDefinition says of each."""


@dataclass(frozen=True, slots=True)
class OperationParameters:
    """The parsed body: ``bundle``, of which nothing is read yet, lies at the FHIRPath ``where``.

    ``patient_reference``: the reference, if ``patient`` was one. ``course`` None: no dates were
    given. ``study`` None: the default rules, and the study ``default`` if results are stored.
    ``preliminary``: preliminary results are graded, too.
    """

    bundle: object
    where: str
    patient: str | None = None
    patient_reference: str | None = None
    course: Course | None = None
    study: str | None = None
    persist: bool = False
    output: Output = "observation"
    preliminary: bool = False

    @property
    def of_one_patient(self) -> bool:
        """Whether persist, a patient or dates say that all values are one patient's."""
        return self.persist or self.patient is not None or self.course is not None


def parse_parameters(document: object) -> OperationParameters:
    """Parse the body.

    Raises:
        RequestError: a parameter cannot be accepted; it says which one and what is expected.
    """
    kind = document.get("resourceType") if isinstance(document, dict) else None
    if kind in ("Bundle", *BARE):
        return OperationParameters(document, kind)
    if not isinstance(document, dict) or kind != "Parameters":
        text = f"expected a Bundle, {' or '.join(BARE)}, or Parameters with a bundle"
        _refuse("resourceType", "resource-type", text)
    if any(document.get(name) not in (None, []) for name in MODIFIERS):
        _refuse("Parameters.implicitRules", "not-understood", "expected no rules of your own")
    found, paths = _parameters(document)
    if "bundle" not in found:
        _refuse("Parameters.parameter", "missing", "the parameter bundle is required")
    persist, preliminary = bool(found.get("persist")), bool(found.get("preliminary"))
    if persist and preliminary:
        text = "a preliminary result is stored as what it is, ungraded: leave this or persist out"
        _refuse("Parameters.parameter", "preliminary-stored", text)
    if persist and not found.get("patient"):
        text = "persist needs patient: the study's pseudonym under which results are stored"
        _refuse("Parameters.parameter", "missing", text)
    for name, pattern in (("patient", PATIENT_NAME), ("study", STUDY_NAME)):
        if persist and name in found and not pattern.fullmatch(text_of(found[name]) or ""):
            _refuse(paths[name], f"{name}-name", f"expected {pattern.pattern}")
    return OperationParameters(
        bundle=found["bundle"],
        where=paths["bundle"],
        patient=text_of(found.get("patient")),
        patient_reference=_reference(document),
        course=_course(found),
        study=text_of(found.get("study")),
        persist=persist,
        output="adverse-event" if found.get("output") == "adverse-event" else "observation",
        preliminary=preliminary,
    )


def refuse_other_patient(parameters: OperationParameters, contents: Contents) -> None:
    """Refuse subjects that are not the Patient to whom the parameter ``patient`` refers.

    A pseudonym, which is no reference, cannot be compared with them.
    """
    wanted = (parameters.patient_reference or "").rpartition("Patient/")[2]
    sources = {one.subject: one.where for one in contents.observations}
    courses = {who: where for who, t in contents.treatments.items() for where in t.places}
    text = "expected the Patient to whom the parameter patient refers"
    faults = [
        FieldFault((where, "subject"), "other-patient", text)
        for who, where in (courses | sources).items()
        if wanted
        and who
        and "?" not in who
        and "Patient/" in who
        and who.rpartition("Patient/")[2] != wanted
    ]
    if faults:
        raise RequestError("the Bundle is not of this patient", faults)


def _parameters(document: Element) -> tuple[dict[str, object], dict[str, str]]:
    """Return the values by parameter name, and the FHIRPath of each."""
    given = document.get("parameter", [])
    if not isinstance(given, list):
        _refuse("Parameters.parameter", "structure", "expected a list")
    found: dict[str, object] = {}
    paths: dict[str, str] = {}
    for i, parameter in enumerate(given):
        path = f"Parameters.parameter[{i}]"
        name = parameter.get("name") if isinstance(parameter, dict) else None
        if not isinstance(name, str) or name not in PARAMETERS:
            text = f"expected a parameter named {', '.join(PARAMETERS)}"
            _refuse(f"{path}.name", "unknown-parameter", text)
        if parameter.get("modifierExtension") not in (None, []):
            text = "expected none: it may change what the parameter means"
            _refuse(f"{path}.modifierExtension", "not-understood", text)
        if name in found:
            _refuse(f"{path}.name", "duplicate-parameter", "this parameter is there twice")
        found[name], paths[name] = _value(name, parameter, path)
    return found, paths


def _value(name: str, parameter: Element, path: str) -> tuple[object, str]:
    """Return the value of a parameter, and its FHIRPath."""
    accepted, kind = PARAMETERS[name]
    key = next((key for key in accepted if key in parameter), None)
    if key is None:
        _refuse(path, "structure", f"expected {' or '.join(accepted)}")
    value = parameter[key]
    where = f"{path}.{key}"
    if kind == "Resource":
        return value, where
    if kind == "boolean":
        if not isinstance(value, bool):
            _refuse(where, "boolean", "expected true or false")
        return value, where
    if key == "valueReference" and isinstance(value, dict):
        value = (text_of(value.get("reference")) or "").removeprefix("Patient/")
    text = text_of(value)
    if text is None:
        _refuse(where, "text", "expected a text of at most 200 printable characters")
    if kind == "dateTime":
        return _start(text, where), where
    if kind == "date":
        return _day(text, where), where
    if kind == "code" and text not in ("observation", "adverse-event"):
        _refuse(where, "output", "expected observation or adverse-event")
    return text, where


def _reference(document: Element) -> str | None:
    """Return the reference in the parameter ``patient``; None if it is no reference."""
    given = (p for p in objects(document.get("parameter")) if p.get("name") == "patient")
    return text_of(object_of(next(given, {}).get("valueReference")).get("reference"))


def _start(text: str, where: str) -> tuple[date, time | None]:
    try:
        return read_start(text)
    except ParseError:
        _refuse(where, "unreadable-date", f"expected {ACCEPTED_START}")


def _day(text: str, where: str) -> date:
    try:
        read = read_collected(text)
    except ParseError:
        read = None
    if read is None or read.first != read.last:
        _refuse(where, "unreadable-date", "expected a full date such as 2011-01-24")
    return read.first


def _course(found: Element) -> Course | None:
    given, end = found.get("radiotherapyStart"), found.get("radiotherapyEnd")
    start, at = given if isinstance(given, tuple) else (None, None)
    if start is None and not isinstance(end, date):
        return None
    course = Course(start, end if isinstance(end, date) else None, start_time=at)
    for fault in course_faults([course]):
        _refuse("Parameters.parameter", fault.code, fault.message)
    return course


def _refuse(where: str, code: str, message: str) -> NoReturn:
    raise RequestError("the request cannot be read", [FieldFault((where,), code, message)])
