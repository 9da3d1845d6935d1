"""Routes of studies: their rules and their patients."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Query
from sqlalchemy import Connection

from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.errors import Conflict, CriteriaError, FieldFault, RequestError
from toxgrade.grading.rules import Rules
from toxgrade.server.api.fields import PatientName, StudyName
from toxgrade.server.api.grading import grader_for, site_names
from toxgrade.server.api.requests import StudyRequest
from toxgrade.server.api.study_answers import (
    Pseudonym,
    PseudonymPage,
    StudyAnswer,
    StudyPage,
    study_answer,
)
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.preconditions import tag
from toxgrade.server.records.regrade import regrade_study
from toxgrade.server.records.studies import (
    RowChoice,
    Saved,
    Study,
    find_study,
    list_patients,
    list_studies,
    save_study,
)

router = APIRouter(prefix="/v1/studies", tags=["studies"], route_class=JsonRoute)


@router.get("", summary="Your studies with their rules", dependencies=[require_role("reader")])
async def get_studies(
    service: TheService,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: StudyName | None = None,
) -> StudyPage:
    """The studies that the caller has a role on, and what each has chosen, by name; ``next`` is the
    cursor of the following page.
    """

    def query(connection: Connection) -> list[Study]:
        return list_studies(connection, partial(service.may, "reader"), limit + 1, cursor)

    found = await service.read(query)
    following = found[limit - 1].name if len(found) > limit else None
    return StudyPage([study_answer(study) for study in found[:limit]], following)


@router.put(
    "/{study}",
    response_model=StudyAnswer,
    summary="Create a study or change its rules",
    responses={201: {"model": StudyAnswer, "description": "It is new."}},
    dependencies=[require_role("manager")],
)
async def put_study(
    service: TheService,
    study: StudyName,
    asked: Annotated[StudyRequest, Body()],
    regrade: bool = False,
) -> JsonAnswer:
    """Set a study's rules: 201 if it is new, which needs an admin.

    Other rules for a study that holds results are refused (409) unless ``regrade=true``; then every
    patient is graded again in the same transaction and the old grades stay readable.
    """
    edition = grader_for(Rules(asked.edition), service).edition.name
    choices = tuple(asked.interpretations.items())
    names = site_names(asked.dictionary, service)
    rules = Rules(edition, asked.window.window(), asked.implausible, choices, names)
    grader_for(rules, service)
    known = service.graders.criteria.analytes
    faults = [
        FieldFault(("liver_enzymes", i), "unknown-analyte", f"expected any of {', '.join(known)}")
        for i, name in enumerate(asked.liver_enzymes)
        if name not in known
    ]
    vocabulary = service.vocabularies[edition]
    rows = _rows(asked, vocabulary, faults)
    clinical = _terms(asked.clinical_terms, ("clinical_terms",), vocabulary, faults)
    if faults:
        raise RequestError("the study's rules cannot be accepted", faults)

    def save(transaction: Transaction) -> tuple[Saved, str]:
        saved = save_study(transaction, study, rules, asked.liver_enzymes, rows, clinical)
        if saved.rules_changed and list_patients(transaction.read(), saved.study, 1, None):
            if not regrade:
                raise Conflict("the study holds results graded by its rules: add ?regrade=true")
            regrade_study(transaction, saved.study, service.graders)
        return saved, tag(transaction.read(), saved.study)

    saved, newest = await service.write(save)
    answer = study_answer(saved.study)
    return JsonAnswer(answer, 201 if saved.is_new else 200, headers={"ETag": newest})


@router.get(
    "/{study}",
    response_model=StudyAnswer,
    summary="A study's rules",
    dependencies=[require_role("reader")],
)
async def get_study(service: TheService, study: StudyName) -> JsonAnswer:
    """What the study has chosen; its ETag for `If-Match` when it is changed."""

    def query(connection: Connection) -> tuple[Study, str]:
        found = find_study(connection, study)
        return found, tag(connection, found)

    found, newest = await service.read(query)
    return JsonAnswer(study_answer(found), headers={"ETag": newest})


def _rows(
    request: StudyRequest, vocabulary: Vocabulary, faults: list[FieldFault]
) -> tuple[RowChoice, ...] | None:
    """Return the rows with the edition's names of their terms; add what is wrong to ``faults``."""
    if request.rows is None:
        return None
    labels: set[str] = set()
    rows = []
    for i, row in enumerate(request.rows):
        if row.label.casefold() in labels:
            faults.append(FieldFault(("rows", i, "label"), "label-twice", "expected another label"))
        labels.add(row.label.casefold())
        terms = _terms(row.terms, ("rows", i, "terms"), vocabulary, faults)
        rows.append(RowChoice(row.label, terms, row.with_baseline))
    return tuple(rows)


def _terms(
    names: Sequence[str],
    loc: tuple[str | int, ...],
    vocabulary: Vocabulary,
    faults: list[FieldFault],
) -> tuple[str, ...]:
    """Return the edition's names of terms; add those that it does not have to ``faults``."""
    terms = []
    for place, name in enumerate(names):
        try:
            terms.append(vocabulary.term(name).name)
        except CriteriaError as error:
            faults.append(FieldFault((*loc, place), "unknown-term", str(error)))
    return tuple(terms)


@router.get(
    "/{study}/patients", summary="The patients of a study", dependencies=[require_role("reader")]
)
async def get_patients(
    service: TheService,
    study: StudyName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: PatientName | None = None,
) -> PseudonymPage:
    """Pseudonyms in order; ``next`` is the cursor of the following page."""

    def query(connection: Connection) -> list[str]:
        return list_patients(connection, find_study(connection, study), limit + 1, cursor)

    found = await service.read(query)
    following = found[limit - 1] if len(found) > limit else None
    return PseudonymPage([Pseudonym(name) for name in found[:limit]], following)
