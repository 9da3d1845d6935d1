"""Routes of the audit: who did what, of a study, a patient or the installation."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import Connection
from typing_extensions import TypedDict

from toxgrade.cohort.described import answer, described
from toxgrade.server.access import EVERY_STUDY
from toxgrade.server.api.fields import PatientName, StudyName
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.document import NEXT
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.audit_entry import ListedEntry
from toxgrade.server.records.audit_log import INSTALLATION, list_entries
from toxgrade.server.records.studies import find_study

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["audit"],
    route_class=JsonRoute,
    dependencies=[require_role("manager")],
)
installation_router = APIRouter(
    prefix="/v1", tags=["audit"], route_class=JsonRoute, dependencies=[require_role("admin")]
)

_Limit = Annotated[int, Query(ge=1, le=1000)]
_Cursor = Annotated[int, Query(ge=0, lt=2**31)]  # The database numbers entries in 32 bits.


def _holds(text: str, example: object, name: str | None = None) -> Any:
    return Field(description=text, examples=[example], serialization_alias=name)


class AuditEntry(TypedDict):
    """An entry of the audit as it was written, with its hash; what does not apply is not there."""

    action: Annotated[str, _holds("The route or the command.", "PUT /v1/studies/{study}")]
    actor: Annotated[str, _holds("The caller's key or token, or the program.", "lab")]
    addresses: NotRequired[Annotated[int, _holds("From which bad credentials came.", 2)]]
    at: Annotated[str, _holds("When it was written.", "2026-11-30T09:15:00+00:00")]
    erased: NotRequired[
        Annotated[
            Mapping[str, Mapping[str, str]],
            _holds("The digests of erased rows, by table and id.", {"results": {"7": "ab" * 32}}),
        ]
    ]
    from_: Annotated[str | None, _holds("The caller's address; null: none.", "192.0.2.7", "from")]
    graded_rows: NotRequired[
        Annotated[
            Mapping[str, str],
            _holds("The SHA-256 of files of graded rows, by batch.", {"0" * 32: "cd" * 32}),
        ]
    ]
    kept: NotRequired[
        Annotated[Mapping[str, object], _holds("Rows that may change or go in time, by table.", {})]
    ]
    outcome: Annotated[str, _holds("`done`, `denied` or `refused: …`.", "done")]
    patient: Annotated[str | None, _holds("The pseudonym; null: no single patient.", "P01")]
    reason: NotRequired[Annotated[str, _holds("As it was given.", "sent for the wrong patient")]]
    refused: NotRequired[Annotated[int, _holds("The number of bad credentials.", 5)]]
    request: Annotated[str | None, _holds("The request's id; null: no request.", "5f0c2a9e")]
    rows: NotRequired[
        Annotated[
            Mapping[str, str], _holds("The ids of the rows written, by table.", {"grades": "7-9"})
        ]
    ]
    rows_sha256: NotRequired[Annotated[str, _holds("One hash over their digests.", "ef" * 32)]]
    schema: NotRequired[Annotated[str, _holds("The migration of the database, after.", "0042")]]
    schema_before: NotRequired[Annotated[str | None, _holds("And before.", "0041")]]
    seq: Annotated[int, _holds("The number of the entry in its chain, from 1.", 12)]
    settings: NotRequired[
        Annotated[Mapping[str, object], _holds("With which the service was started.", {})]
    ]
    study: Annotated[str, _holds("The study; `*`: the installation.", "demo")]
    hash: Annotated[str, _holds("Of the entry and the hash before it: SHA-256.", "01" * 32)]


@answer
class AuditPage:
    """A page of a chain of the audit."""

    entries: Sequence[AuditEntry] = described("In the order of the chain.")
    next: int | None = described(NEXT, None)


@router.get(
    "/audit",
    response_model=AuditPage,
    summary="Who did what, when, from where, with which outcome",
)
async def get_study_audit(
    service: TheService, study: StudyName, limit: _Limit = 100, cursor: _Cursor = 0
) -> JsonAnswer:
    """In order, page by page, each with its hash; `toxgrade audit verify` holds the chain to it."""
    return await _page(service, study, None, limit, cursor)


@router.get(
    "/patients/{patient}/audit",
    response_model=AuditPage,
    summary="What the audit says of one patient",
)
async def get_patient_audit(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    limit: _Limit = 100,
    cursor: _Cursor = 0,
) -> JsonAnswer:
    """The entries that name the patient; those of the whole study are not among them."""
    return await _page(service, study, patient, limit, cursor)


@installation_router.get(
    "/audit", response_model=AuditPage, summary="What the audit says of the installation"
)
async def get_audit(service: TheService, limit: _Limit = 100, cursor: _Cursor = 0) -> JsonAnswer:
    """Keys, studies, sign-ins, starts, migrations, verifications and bad credentials, in order."""
    service.require("admin", EVERY_STUDY)
    return await _page(service, INSTALLATION, None, limit, cursor)


async def _page(
    service: TheService, study: str, patient: str | None, limit: int, cursor: int
) -> JsonAnswer:
    def query(connection: Connection) -> list[ListedEntry]:
        study_id = 0 if study == INSTALLATION else find_study(connection, study).id
        return list_entries(connection, study_id, patient, limit + 1, cursor)

    found = await service.read(query, study=study)
    following = found[limit - 1]["seq"] if len(found) > limit else None
    return JsonAnswer({"entries": found[:limit], "next": following})
