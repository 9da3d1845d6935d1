"""What a FHIR server is asked about a patient: everything, or what is new since the last pull.

Courses are asked for as a whole each time, because all that are recorded are replaced together.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from toxgrade import __version__
from toxgrade.criteria.model import Criteria
from toxgrade.fhir.elements import (
    FORMER_COURSE,
    LOINC,
    RADIOTHERAPY_COURSE,
    SNOMED,
    SNOMED_REQUESTED,
    Element,
    object_of,
)
from toxgrade.fhir.results import Accepted
from toxgrade.grading.dictionary import Dictionary
from toxgrade.server.ehr.pull.fhir_server import Found, NotTaken, Server
from toxgrade.server.ehr.pull.person import Person
from toxgrade.server.records.pull_marks import PullMark

_SEARCH_CODES = 40  # This keeps an address under the 2,000 characters that any server accepts.
_OVERLAP = timedelta(days=1)
"""So much before the mark is read again: a server may show a change some time after its date."""

_COURSE = f"{SNOMED}|{RADIOTHERAPY_COURSE},{SNOMED_REQUESTED}|{FORMER_COURSE}"


def search(server: Server, person: Person, codes: Sequence[str], mark: PullMark | None) -> Found:
    """Return the Observations of these codes since ``mark``, or all, and all courses.

    The newest result known must be among those that are new: if it is not, the server has not
    understood the question, or was set back, and is asked for everything.

    Raises:
        SourceError: the server does not return what it has.
    """
    if mark is not None and server.takes_since:
        since = mark.until - _OVERLAP
        try:
            found = _of_person(server, person, codes, since)
        except NotTaken:
            server.takes_since = False
        else:
            times = list(filter(None, map(last_updated, _observations(found))))
            server.takes_since = all(time >= since for time in times)
            if any(time >= mark.until for time in times):
                return found
    return _of_person(server, person, codes, None)


def next_mark(server: Server, person: Person, found: Found, asked: str) -> PullMark | None:
    """Return up to when all was read, by the server's clock: the last change of a result.

    None: it does not say when each resource was last changed, or what time it is (a change that is
    dated in the future would hide all that come before it).
    """
    times = [last_updated(one) for one in _observations(found)]
    if server.clock is None or None in times or None in person.versions.values():
        return None
    past = [time for time in times if time and time - _OVERLAP <= server.clock]
    return PullMark(max(past), asked) if past else None


def asked_codes(criteria: Criteria, dictionary: Dictionary) -> list[str]:
    """Return the codes of all tests that are graded, as searches have them: ours and the site's."""
    loinc = [f"{LOINC}|{code}" for one in criteria.analytes.values() for code in one.loinc]
    local = [re.sub(r"([\\\\,$])", r"\\\1", theirs) for theirs, _ in dictionary.analytes]
    return [*loinc, *local]


def asked_sha256(
    person: Person, codes: Iterable[str], accepted: Accepted, dictionary: Dictionary
) -> str:
    """Return a digest of all that decides which results are found, and how they are read.

    Where it has changed, a mark says nothing: codes may be new, sex or birth date corrected, or
    this version of Toxgrade may read what an earlier one did not.
    """
    read = [__version__, dictionary.sha256, astuple(accepted)]
    asked = [*read, sorted(codes), sorted(person.versions.items())]
    return sha256(json.dumps(asked).encode()).hexdigest()


def last_updated(resource: Element) -> datetime | None:
    """Return when the server last changed a resource; None where it does not say, or as year 1."""
    text = object_of(resource.get("meta")).get("lastUpdated")
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo and 1970 < found.year < 9999 else None


def _observations(found: Found) -> list[dict[str, object]]:
    return [one for one in found.resources if one["resourceType"] == "Observation"]


def _of_person(
    server: Server, person: Person, codes: Sequence[str], since: datetime | None
) -> Found:
    """Return what is filed under any of a person's ids; some servers know ``Patient/id`` only."""
    whole = Found()
    for fhir_id in person.versions:
        found = _courses(server, fhir_id)
        found.add(_results(server, fhir_id, codes, since))
        whole.add(found)
        if not found.resources:
            longer = f"Patient/{fhir_id}"
            try:
                whole.add(_courses(server, longer))
            except NotTaken:
                continue  # It does not take the longer form: nothing was found.
            whole.add(_results(server, longer, codes, since))
    whole.resources = [person.named_by_own(one) for one in whole.resources]
    return whole


def _courses(server: Server, patient: str) -> Found:
    return server.search("Procedure", {"patient": patient, "code": _COURSE})


def _results(server: Server, patient: str, codes: Sequence[str], since: datetime | None) -> Found:
    whole = Found()
    changed = {"_lastUpdated": f"ge{since:%Y-%m-%dT%H:%M:%SZ}"} if since else {}
    for first in range(0, len(codes), _SEARCH_CODES):
        query = ",".join(codes[first : first + _SEARCH_CODES])
        asked = {"patient": patient, "code": query, **changed}
        whole.add(server.search("Observation", asked))
    return whole
