"""Grades as FHIR R4 resources: derived Observations, AdverseEvents and OperationOutcomes."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal, get_origin

from toxgrade import __version__
from toxgrade.criteria.model import Edition
from toxgrade.errors import ParseError
from toxgrade.fhir.elements import (
    DATA_ABSENT,
    DATA_ABSENT_EXTENSION,
    GRADE_EXTENSION,
    GRADES,
    NCIT,
    OWN,
    RADIOTHERAPY_EVENT,
    object_of,
    own,
    term_codings,
    text_of,
)
from toxgrade.fhir.results import Observed
from toxgrade.grading.fields import FIELDS, GradeRow
from toxgrade.grading.parse import read_collected
from toxgrade.server.ehr.fhir_http import issue, note_issues, outcome
from toxgrade.server.ehr.operation_parameters import Output

Resource = dict[str, object]

_ABSENT_REASON = {
    "not-final": "temp-unknown", "missing-value": "unknown", "unreadable-value": "error",
    "unreadable-date": "error", "unknown-analyte": "unsupported", "unknown-unit": "unsupported",
}  # fmt: skip
"""FHIR's data-absent-reason by our reason; ``unknown`` where FHIR has none that fits."""

_ISSUE_KIND = {
    "not-final": "business-rule", "unknown-analyte": "not-supported", "missing-value": "required",
    "unreadable-value": "value", "unreadable-date": "value", "missing-unit": "required",
    "unknown-unit": "code-invalid", "missing-uln": "required", "missing-lln": "required",
    "missing-baseline": "required", "implausible-value": "business-rule",
    "implausible-limit": "business-rule", "censored-value": "incomplete",
}  # fmt: skip
_DATE_TIME = re.compile(
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00))?)?)?"
)
_TYPE = re.compile(r"[A-Z][A-Za-z]+")
_EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveInstant")
_AFTER_START = ("acute", "late", "unknown")
_VALUES = {bool: "Boolean", int: "Integer", str: "String"}
_BOUNDS = ("at_least", "at_most")  # The grade says them where it is decided.


def entries(
    observed: Observed,
    grades: Sequence[GradeRow],
    edition: Edition,
    output: Output,
    procedures: Sequence[str | None],
) -> Iterator[Resource]:
    """Yield a resource for each grade of one value, then an outcome if there are any issues."""
    issues = []
    for graded in grades:
        adverse = output == "adverse-event" and graded.grade and graded.phase in _AFTER_START
        build = _adverse_event if adverse else _observation
        yield build(observed, graded, edition, procedures)
        if graded.grade is None:
            reason = graded.reason or "undecided"
            kind = _ISSUE_KIND.get(reason, "incomplete")
            issues.append(issue("warning", kind, reason, graded.because, [observed.where]))
    if observed.lab is None:
        text = "a panel: each of its members in the Bundle is answered by itself"
        issues.append(issue("information", "informational", "panel", text, [observed.where]))
    issues += note_issues(observed.notes)
    if issues:
        yield outcome(issues)


def _observation(
    observed: Observed, graded: GradeRow, edition: Edition, _: Sequence[str | None]
) -> Resource:
    """Return a derived Observation with the grade, or with the reason why there is none."""
    code: Resource = {"text": graded.term or "CTCAE grade"}
    if graded.term and graded.meddra:
        code = {"coding": term_codings(graded.term, graded.meddra)} | code
    found: Resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        **_subject_and_time(observed),
        "derivedFrom": [_source_reference(observed)],
        "method": {"text": edition.label},
        "device": {"display": f"Toxgrade {__version__}"},
        "note": [{"text": graded.because}],
    }
    if graded.grade is not None:
        found["valueInteger"] = graded.grade
    else:
        reason = graded.reason or "undecided"
        absent = {"system": DATA_ABSENT, "code": _ABSENT_REASON.get(reason, "unknown")}
        found["dataAbsentReason"] = {"coding": [absent], "text": reason}
    if limits := _range(graded):
        found["referenceRange"] = [limits]
    found["component"] = list(_components(graded))
    return found


def _subject_and_time(observed: Observed) -> Resource:
    """Return the subject, and the time of collection: as written, or the date that counted.

    What is no date of FHIR R4 is not repeated: a server would refuse the whole answer.
    """
    resource, found = observed.source.resource, Resource()
    subject = object_of(resource.get("subject"))
    named = {name: text for name in ("reference", "type") if (text := text_of(subject.get(name)))}
    if not _TYPE.fullmatch(named.get("type", "Patient")):
        del named["type"]
    if named and not named.get("reference", "").startswith("#"):
        found["subject"] = named
    written = next((name for name in _EFFECTIVE if resource.get(name) is not None), None)
    if written == "effectivePeriod":
        ends = object_of(resource[written])
        period = {end: text for end in ("start", "end") if (text := _date_time(ends.get(end)))}
        if "end" in period and period.get("start", "")[:10] <= period["end"][:10]:
            return found | {written: period}
    elif written and _date_time(resource[written], instant=written == "effectiveInstant"):
        return found | {written: resource[written]}
    if day := _counted_day(observed):
        return found | {"effectiveDateTime": day}
    if written:
        absent = {"url": DATA_ABSENT_EXTENSION, "valueCode": "error"}
        found["_effectiveDateTime"] = {"extension": [absent]}
    return found


def _date_time(text: object, *, instant: bool = False) -> str | None:
    """Return a dateTime of FHIR R4, or an instant, in years that we read; None: it is neither."""
    if not isinstance(text, str) or not _DATE_TIME.fullmatch(text) or (instant and "T" not in text):
        return None
    try:
        return text if read_collected(text).text == text else None
    except ParseError:
        return None


def _counted_day(observed: Observed) -> str | None:
    """Return the date by which a result was placed, which may be partial; None: it has none."""
    collected = observed.lab.collected if observed.lab else None
    if collected is None:
        return None
    return str(collected.first) if collected.first == collected.last else collected.text


def _source_reference(observed: Observed) -> dict[str, str]:
    """Return a reference to the source by id or fullUrl; its FHIRPath is what is displayed.

    A contained one cannot be referred to from outside its container.
    """
    found = {"display": observed.where}
    source = observed.source
    if source.is_contained:
        return found
    if source_id := text_of(source.resource.get("id")):
        found["reference"] = f"Observation/{source_id}"
    elif source.full_url:
        found["reference"] = source.full_url
    return found


def _range(graded: GradeRow) -> Resource:
    """Return the limits as a reference range; empty where there are none."""
    limit_unit = graded.limit_unit or graded.unit
    unit = {"unit": limit_unit} if limit_unit else {}
    limits = {"low": graded.lln, "high": graded.uln}
    return {end: {"value": Decimal(n), **unit} for end, n in limits.items() if n is not None}


_COMPONENTS = sorted(
    (about.fhir, name, "CodeableConcept" if get_origin(hint) is Literal else _VALUES[kind])
    for name, kind, hint, about in FIELDS
    if about.fhir
)


def _components(graded: GradeRow) -> Iterator[Resource]:
    """Yield a component for each known value that has no element of its own."""
    for (_, display), code, kind in _COMPONENTS:
        value = getattr(graded, code)
        if value is None or (code in _BOUNDS and graded.grade is not None):
            continue
        shown = own(value, value) if kind == "CodeableConcept" else value
        yield {"code": own(code, display), f"value{kind}": shown}
    for flag in graded.flags:
        yield {"code": own("flag", "Flag"), "valueCodeableConcept": own(flag, flag)}


def _adverse_event(
    observed: Observed, graded: GradeRow, edition: Edition, procedures: Sequence[str | None]
) -> Resource:
    """Return an AdverseEvent (CodeX profile), without causality, which a clinician decides."""
    assert graded.term is not None
    assert graded.meddra is not None
    assert graded.grade is not None
    copied = _subject_and_time(observed)
    concept = {"system": NCIT, "code": GRADES[graded.grade], "display": f"Grade {graded.grade}"}
    codings = [{**c, "version": edition.label} for c in term_codings(graded.term, graded.meddra)]
    found: Resource = {
        "resourceType": "AdverseEvent",
        "meta": {"profile": [RADIOTHERAPY_EVENT]},
        "extension": [
            {
                "url": GRADE_EXTENSION,
                "valueCodeableConcept": {"coding": [concept], "text": str(graded.grade)},
            },
            {"url": f"{OWN}:derived-from", "valueReference": _source_reference(observed)},
            {"url": f"{OWN}:phase", "valueCode": graded.phase},
        ],
        "actuality": "actual",
        "event": {"coding": codings, "text": graded.term},
        "subject": copied.get("subject", {"display": "not said"}),
    }
    times = (copied.get("effectiveDateTime"), copied.get("effectiveInstant"))
    if day := times[0] or times[1] or _counted_day(observed):
        found["date"] = day
    if suspect := _suspect(graded, procedures):
        found["suspectEntity"] = [{"instance": {"reference": suspect}}]
    return found


def _suspect(graded: GradeRow, procedures: Sequence[str | None]) -> str | None:
    course = graded.course
    if graded.phase not in ("acute", "late") or course is None or course >= len(procedures):
        return None
    return procedures[course]
