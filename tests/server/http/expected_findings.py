"""What random requests may find: each kind with the reason why it is right.

schemathesis loads this file as its hooks, in the tests and from its command line. It holds every
answer to the OpenAPI document; what JSON Schema cannot say, a request of random texts runs into.
"""

from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import (
    IgnoredAuth,
    MissingHeaderNotRejected,
    RejectedPositiveData,
)

REFUSED = {
    # A schema's patterns have no class of characters for these.
    "unprintable": "control, private and unassigned characters, which no pattern names for all",
    # These names are the data of the editions, of the study or of the time-zone database.
    "unknown-term": "terms are an edition's, and the study chooses the edition",
    "unknown-analyte": "analytes are read from the criteria, by name, alias or LOINC code",
    "unknown-interpretation": "interpretations belong to terms of an edition",
    "unknown-unit": "units are an analyte's",
    "no-such-grade": "a term has only some grades",
    "no-such-finding": "a review is of a finding that the patient has",
    "timezone": "names of the time-zone database",
    "mapping": "names of columns, each once, and OURS is one of ours",
    # These compare two fields, or an item with those before it.
    "patient-erased": "under the pseudonym of who was erased nothing is stored again",
    "after-death": "compares a date with the recorded death",
    "baseline-after-start": "compares two dates",
    "end-before-start": "compares two dates",
    "ended-and-ongoing": "a course is one of the two",
    "courses-out-of-order": "compares the starts of courses",
    "resolved-before-onset": "compares two dates",
    "resolved-and-ongoing": "an event is one of the two",
    "missing-last-contact": "vital_status needs last_contact",
    "cause-of-no-death": "a cause needs vital_status dead",
    "missing-start": "courses are told apart by their start",
    "empty-course": "null is no date",
    "ages-reversed": "compares two ages",
    "unusable-range": "compares two limits",
    "missing-limit": "null is no limit",
    "implausible-limit": "compares a limit with the analyte's own",
    "overlapping-ranges": "compares two rows",
    "label-twice": "labels differ, and case does not count",
    "window-length": "months or days",
    # These are texts with a grammar, a calendar or a size that patterns do not hold.
    "unreadable-value": "a text of digits may be a number that no laboratory reports",
    "unreadable-limit": "a text of digits may be a number that no laboratory reports",
    "unreadable-dose": "a text of digits may be a number that no machine gives",
    "dose-out-of-range": "a text of digits may be any number",
    "unreadable-date": "30 February matches a pattern",
    "unreadable-date-time": "a date-time may lie outside the calendar in UTC",
    "date-format": "a strptime format of day, month and year",
    "delimiter": "one character, or the word tab",
    "two-columns": "two names of columns",
    "columns": "names of columns",
    "cursor": "only the `next` of an earlier answer is one",
    # These are files and documents of other standards, which their own definitions describe.
    "empty": "a file holds something",
    "resource-type": "FHIR's structure is that of its OperationDefinition",
    "unreadable": "CDS Hooks' feedback is that of its specification",
}
"""Codes of errors with which a request is refused although the OpenAPI document allows it."""

_REFUSED_AT = {
    ("missing", "collected"): "only what is stored needs its date; one schema serves both",
    ("missing", "onset"): "an event that is not withdrawn needs its onset",
    ("missing", "expression"): "FHIR's structure is that of its OperationDefinition",
    ("int-parsing", "grade"): "a path of the word null counts as allowed by the state machine",
}
_STATUSES = {
    412: "the state of a patient or study that If-Match names, or the data that a hook needs",
    415: "a file is known by its name or media type",
    428: "erasing without If-Match, or with an empty one",
}
"""Statuses of refusals whose reason lies outside of the schema, or that schemathesis takes for an
acceptance.
"""

_ABOUT_REFUSALS = (AcceptedNegativeData, MissingHeaderNotRejected, RejectedPositiveData)


@schemathesis.serializer("application/hl7-v2")
def _as_er7(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def filter_failure(_context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Return whether a finding is none of those that are expected."""
    if isinstance(failure, IgnoredAuth) and "`429 Too Many Requests`" in failure.message:
        return False  # An address that presented many bad credentials is told to wait.
    if response.status_code in _STATUSES:
        return not isinstance(failure, _ABOUT_REFUSALS)
    if isinstance(failure, AcceptedNegativeData):
        # HL7 v2 answers in its own form: AR is a refusal, whatever the status.
        return not (case.operation.path == "/hl7v2" and b"\rMSA|AR|" in response.content)
    if not isinstance(failure, RejectedPositiveData):
        return True
    return not all(found in REFUSED or found in _REFUSED_AT for found in _codes(response))


def _codes(response: Any) -> list[str | tuple[str, str]]:
    """Return the codes of the errors of a refusal, those that need it with the field."""
    document = response.json()
    if "issue" in document:
        found = [
            (issue["details"]["coding"][0]["code"], "expression") for issue in document["issue"]
        ]
    else:
        found = [(error["code"], _field(error["loc"])) for error in document["errors"]]
    return [code if code in REFUSED else (code, field) for code, field in found] or ["none"]


def _field(loc: list[Any]) -> str:
    """Return the field that an error names; of a field without a name of ours, the one above."""
    names = [part for part in loc if isinstance(part, str) and part != "…"]
    return names[-1] if names else ""
