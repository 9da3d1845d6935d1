"""What the audit records of a request, and its idempotency key."""

import hashlib
import re

from starlette.requests import Request

from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.access import Caller
from toxgrade.server.process import REQUEST_ID
from toxgrade.server.records.audit_log import AuditAction
from toxgrade.server.records.preconditions import IdempotencyKey

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LONGEST_CALLER = 200


def audit_action(
    request: Request, caller: Caller, study: str | None = None, patient: str | None = None
) -> AuditAction | None:
    """Return what the audit records of a request; None where it concerns no study.

    ``study`` and ``patient`` are those of the path unless they are given.
    """
    study = study or request.path_params.get("study")
    if study is None:
        return None
    return AuditAction(
        caller.name,
        f"{request.method} {request.scope['route'].path}",
        study,
        patient or request.path_params.get("patient"),
        request.client.host if request.client else None,
        REQUEST_ID.get(),
    )


async def idempotency_key(
    request: Request,
    caller: Caller,
    action: AuditAction | None,
    content: bytes | None = None,
    part: int | None = None,
) -> IdempotencyKey | None:
    """Return the ``Idempotency-Key`` of a request with the request's SHA-256; None if it has none.

    The SHA-256 covers method, path, query and body; ``content`` stands for a body that was read as
    a stream. Each ``part`` of a request that takes effect in parts has a key derived from its key.

    Raises:
        RequestError: the key is not 1 to 255 visible ASCII characters.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        where = ("header", "Idempotency-Key")
        fault = FieldFault(where, "key-format", "expected 1 to 255 visible ASCII characters")
        raise RequestError("the idempotency key cannot be one", [fault])
    target = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    body = await request.body() if content is None else content
    study, patient = (action.study, action.patient) if action else (None, None)
    if part is not None:
        key = f"{part}#{hashlib.sha256(key.encode()).hexdigest()}"
    request_sha256 = hashlib.sha256(target + body).hexdigest()
    return IdempotencyKey(_short(caller.name), key, request_sha256, study, patient)


def _short(name: str) -> str:
    """Return a caller's name, or its SHA-256 where the column for it could not hold it.

    Labels of keys and subjects of tokens have any length, and a token's may hold a NUL.
    """
    if len(name) <= _LONGEST_CALLER and name.isprintable():
        return name
    return f"sha256:{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
