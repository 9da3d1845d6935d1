"""``Prefer: return=minimal`` (RFC 7240): the caller wants no body of what was stored."""

import re
from typing import Any

from starlette.requests import Request

_PREFERENCE = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_LONGEST = 200  # characters; no list of preferences has as many, and what is longer says nothing
_MINIMAL = "return=minimal"

APPLIED = {"Preference-Applied": _MINIMAL}
"""The header of an answer without a body."""
PARAMETER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": f"With `{_MINIMAL}` what was stored is answered without a body (RFC 7240).",
    "schema": {"type": "string"},
    "example": _MINIMAL,
}
"""The header of the request as routes document it."""
DESCRIBED = {
    "Preference-Applied": {
        "description": f"`{_MINIMAL}`, as the request preferred: there is no body.",
        "schema": {"type": "string", "const": _MINIMAL},
    }
}
"""The header of the answer as routes document it."""


def prefers_minimal(request: Request | None) -> bool:
    """Return whether the first preference for what is returned is ``minimal``."""
    sent = ", ".join(request.headers.getlist("prefer")) if request is not None else ""
    if len(sent) > _LONGEST:
        return False
    for preference in _PREFERENCE.findall(sent):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            return bool(value.strip().strip('"') == "minimal")
    return False
