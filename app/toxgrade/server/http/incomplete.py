"""Answers that tell of a patient of whom a batch has stored a part: they say so in a header."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection
from starlette.requests import Request

from toxgrade.server.jobs.begun_patients import storing_batch
from toxgrade.server.records.audit_log import AuditAction

HEADER = "Toxgrade-Storing-Batch"
_KEY = "storing_batch"

DESCRIBED = {
    HEADER: {
        "description": "The batch that has stored a part of the patient's results by now; "
        "the answer is not complete until it has stored the rest.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    }
}
"""The header as routes document it."""


@contextmanager
def told(
    request: Request | None, connection: Connection, action: AuditAction | None
) -> Iterator[None]:
    """Note for ``headers`` if a batch stores the patient, or one of the study, in these moments.

    It is asked before and after: on PostgreSQL each query sees what was committed before it.
    """
    if request is None or action is None:
        yield
        return
    before = storing_batch(connection, action.study, action.patient)
    yield
    request.state.storing_batch = before or storing_batch(connection, action.study, action.patient)


def headers(state: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return the header, if the state of the request has a batch."""
    batch = state.get(_KEY)
    return [(HEADER.lower().encode(), batch.encode())] if batch else []
