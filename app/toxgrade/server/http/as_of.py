"""The query parameter ``as_of`` of routes that read: what was stored then is shown."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query, params
from starlette.requests import Request

from toxgrade.errors import FieldFault, RequestError


async def _as_of(
    request: Request,
    as_of: Annotated[
        str | None,
        Query(
            max_length=40,
            description="Show what was stored then: 2026-11-25T12:00:00Z.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None,
) -> None:
    if as_of is None:
        return
    try:
        moment = datetime.fromisoformat(as_of)
        is_instant = moment.tzinfo is not None and moment.astimezone(UTC) == moment
    except (ValueError, OverflowError):  # In UTC it may lie before year 1 or after year 9999.
        is_instant = False
    if not is_instant:
        text = "expected a date-time with its offset, such as 2026-11-25T12:00:00Z"
        fault = FieldFault(("query", "as_of"), "unreadable-date-time", text)
        raise RequestError("the time cannot be read", [fault])
    request.state.as_of = moment


def as_of() -> params.Depends:
    """Declare that a route that reads takes a past time: ``dependencies=[…, as_of()]``."""
    return params.Depends(_as_of)
