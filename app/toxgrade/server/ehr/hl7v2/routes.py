"""The route ``POST /hl7v2``, which takes reports of results over HTTP."""

import re
from collections.abc import Callable
from functools import partial

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.grading.rules import Rules
from toxgrade.server.ehr.hl7v2.receive import Received, Receiver, refused_unread
from toxgrade.server.ehr.hl7v2.report import Site
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.body import BodyProblem, limited_body
from toxgrade.server.http.long_bodies import is_long
from toxgrade.server.http.problems import Problem
from toxgrade.server.http.service import REPLAYED, TheService
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import rules_of

router = APIRouter(tags=["EHR"])

_MEDIA = "application/hl7-v2"
_ACCEPTED_MEDIA = (_MEDIA, "x-application/hl7-v2+er7", "text/plain", "application/octet-stream", "")
_EXAMPLE = (
    "MSH|^~\\&|LIS|LAB|EHR|WARD|20110424101500+0200||ORU^R01^ORU_R01|42|P|2.5.1\r"
    "PID|1||P1^^^STUDY\r"
    "OBR|1||LAB-7|24325-3^Hepatic function panel^LN|||20110423\r"
    "OBX|1|NM|1975-2^Bilirubin^LN||1.8|mg/dL|0.2-1.2|H|||F\r"
)
_HEADER_BYTES = 4096  # The header of a message that is not taken is looked for in so many.
_BYTES = {"type": "string", "format": "binary"}  # A message says in which characters it is.
_CONTENT = {_MEDIA: {"schema": _BYTES}}


@router.post(
    "/hl7v2",
    summary="Grade and store HL7 v2 messages",
    dependencies=[require_role("writer")],
    response_class=Response,
    responses={
        200: {
            "description": "AA, AE or AR for each message, or what its MSH-15 and 16 ask for",
            "content": _CONTENT,
        },
        "4XX": {"model": Problem, "content": {**_CONTENT, "application/problem+json": {}}},
        "5XX": {"model": Problem, "content": {**_CONTENT, "application/problem+json": {}}},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                media: {"schema": _BYTES, "example": _EXAMPLE} for media in (_MEDIA, "text/plain")
            },
        }
    },
)
async def post_hl7v2(request: Request, service: TheService, study: str = "default") -> Response:
    """Store the results of one or several ORU^R01 (or R30, R31, R32, R40, or OUL^R22, R23, R24)
    under the pseudonym in PID-3; each message is acknowledged by an ACK of its own, durable before
    it answers. An AE names segment and field; an AA what is undecided or passed over, and why.
    Under an ``Idempotency-Key`` each message that was stored gets its first ACK again.
    """
    service.require("writer", study)
    settings = service.settings
    try:
        media, charset = _content_type(request.headers.get("content-type", ""))
        if media not in _ACCEPTED_MEDIA:
            raise BodyProblem(415, f"expected Content-Type: {_MEDIA}")
        body = await limited_body(request, settings.max_body_bytes)
    except BodyProblem as problem:
        begun = problem.begun or await _begun(request)
        refusal = refused_unread(service.runtime, begun[:_HEADER_BYTES], problem.detail)
        return _answer(Received((refusal,)), problem.status_code)
    site = Site(settings.hl7v2_authority, settings.hl7v2_codes, settings.hl7v2_charset)
    replayed: list[bool] = []

    async def write(job: Callable[[Transaction], str], patient: str | None, number: int) -> str:
        answer = await service.store(
            job, 200, study=study, patient=patient, content=body, part=number,
            is_panel=True,
        )  # fmt: skip
        replayed.append(REPLAYED in answer.headers)
        return msgspec.json.decode(answer.body, type=str)

    known: list[Rules] = []  # They are read once for all messages of a body.

    async def rules() -> Rules:
        if not known:
            known.append(await service.read(lambda c: rules_of(c, study), study=study))
        return known[0]

    receiver = Receiver(
        study, service.graders, write, rules, site, settings.max_results, service.runtime
    )
    receive = partial(receiver.receive, body, charset)
    received = await (service.beside_the_loop(receive) if is_long(body) else receive())
    answer = _answer(received, 503 if received.retry else 200)
    if replayed and all(replayed):
        answer.headers[REPLAYED] = "true"
    return answer


async def _begun(request: Request) -> bytes:
    """Return how a body begins that is not taken, at least as far as its header may reach."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > _HEADER_BYTES:
            break
    return bytes(read)


def _answer(received: Received, status: int) -> Response:
    headers = {"Retry-After": "1"} if received.retry else {}
    return Response(b"".join(received.parts), status, headers, media_type=_MEDIA)


def _content_type(header: str) -> tuple[str, str | None]:
    """Return the media type and its ``charset``."""
    media, _, parameters = header.partition(";")
    named = re.search(r"""(?i)(?:^|;)\s*charset\s*=\s*"?([^";\s]+)""", parameters)
    return media.strip().lower(), named[1] if named else None
