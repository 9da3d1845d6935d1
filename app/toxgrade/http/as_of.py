"""Reports as of a time: ``as_of`` in the query, for routes that read."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, params
from starlette.requests import Request

from toxgrade.errors import FieldFault, RequestError


async def _as_of(
    request: Request,
    as_of: Annotated[
        str | None,
        Query(max_length=40, description="Show what was stored then: 2026-11-25T12:00:00Z."),
    ] = None,
) -> None:
    if as_of is None:
        return
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        text = "expected a date-time with its offset, such as 2026-11-25T12:00:00Z"
        fault = FieldFault(("query", "as_of"), "unreadable-date-time", text)
        raise RequestError("the time cannot be read", [fault])
    request.state.as_of = moment


def as_of() -> params.Depends:
    """Let a route that reads be asked as of a time: ``dependencies=[…, as_of()]``."""
    return params.Depends(_as_of)
