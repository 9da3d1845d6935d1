"""What is read of a patient on a FHIR server: results and courses, as they can be stored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from toxgrade.errors import SourceError
from toxgrade.fhir.bundle import Contents, read_bundle
from toxgrade.fhir.elements import Element, text_of
from toxgrade.fhir.results import Accepted
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.units import Names
from toxgrade.server.ehr.grade_bundle import observe, persons
from toxgrade.server.ehr.persist import is_undated, storable
from toxgrade.server.ehr.pull.fhir_server import Found, Server
from toxgrade.server.ehr.pull.person import Person
from toxgrade.server.ehr.pull.searches import asked_codes, asked_sha256, next_mark, search
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.pull_marks import PullMark

_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]\.resource")
_NOTHING_LOST = ("partial-date", "end-not-taken", "older-version", "other-focus")
"""Notes on what was taken, if not as it was written; what is lost by them is told by another."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A patient's dated results and courses; ``undated`` further results cannot be stored.

    ``told`` says what was not taken as it was sent; ``is_whole``: no result and no course was lost;
    ``is_empty``: nothing was found. ``mark``: up to when all has been read once this is stored
    (None: not known).
    """

    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...]
    undated: int
    told: tuple[str, ...]
    is_whole: bool
    is_empty: bool
    mark: PullMark | None


def pull_patient(
    server: Server, person: Person, graders: Graders, rules: Rules, accepted: Accepted,
    mark: PullMark | None,
) -> Pulled:  # fmt: skip
    """Read what can be graded of one patient, and the courses of radiotherapy.

    ``rules`` have the names of the study's site. ``mark``: up to when it was read before, so that
    only what is new is asked for; None: all.

    Raises:
        SourceError: the server does not return it, or returns another patient's.
    """
    codes = asked_codes(graders.criteria, rules.dictionary)
    asked = asked_sha256(person, codes, accepted, rules.dictionary)
    same_question = mark if mark and mark.asked_sha256 == asked else None
    found = search(server, person, codes, same_question)
    pulled = _read(server, person, found, graders.for_rules(rules).names, accepted)
    if not pulled.is_whole:
        return pulled  # What was lost is told again until it is there.
    return replace(pulled, mark=next_mark(server, person, found, asked))


def _read(server: Server, person: Person, found: Found, names: Names, accepted: Accepted) -> Pulled:
    """Return what was found as results and courses; ``mark`` is left to be set."""
    named = {f"Patient/{person.own}": person.in_use}
    for i, resource in enumerate(found.resources):
        # Pages may overlap, and a result may have codes of two searches: the later one counts.
        name = text_of(resource.get("id")) or f"(no id, {i})"
        named[f"{resource['resourceType']}/{name}"] = resource
    entry = [{"fullUrl": f"{server.base}{name}", "resource": one} for name, one in named.items()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    contents = read_bundle(bundle, "Bundle", len(entry))
    _refuse_others(contents)
    observed = observe(contents, names, accepted)
    (values,) = persons(contents, observed, of_one=True)
    courses, results = values.treatment.courses, storable(observed, names)
    dated = tuple(one for one in results if not is_undated(one[1]))
    told = [*_told(contents, list(named.values())), *dict.fromkeys(found.gaps)]
    is_empty = not (results or courses or told)
    is_whole = not found.gaps and all(note.code in _NOTHING_LOST for note in contents.notes)
    if courses and not contents.observations:
        told, is_whole = [*told, "no result was found, only radiotherapy"], False
    told += person.told
    undated = len(results) - len(dated)
    return Pulled(dated, courses, undated, tuple(told), is_whole, is_empty, None)


def _refuse_others(contents: Contents) -> None:
    """Refuse other patients' data: a server that ignores the parameter ``patient`` returns all."""
    own = next(iter(contents.persons))  # The Patient comes first.
    subjects = {one.subject for one in contents.observations} | set(contents.treatments)
    if not subjects <= {own}:
        raise SourceError("the server answered with another patient's")


def _told(contents: Contents, found: Sequence[Element]) -> list[str]:
    """Return the notes in words, with the kind of each resource; ids stay in the EHR."""

    def kind(match: re.Match[str]) -> str:
        return text_of(found[int(match[1])].get("resourceType")) or "resource"

    return [f"{_ENTRY.sub(kind, note.path)}: {note.text}" for note in contents.notes]
