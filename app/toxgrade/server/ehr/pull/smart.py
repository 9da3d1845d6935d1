"""Which access token a server wants (SMART App Launch 1 and 2): from whom, with what scopes.

SMART 1 writes ``system/Patient.read``, SMART 2 ``system/Patient.rs``; many servers know only one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from toxgrade.errors import SourceError
from toxgrade.fhir.elements import Element, object_of, objects
from toxgrade.server.ehr.pull.http_client import Calls, read_object
from toxgrade.server.settings import is_loopback

_READ_KINDS = ("Observation", "Patient", "Procedure")
_FIRST = re.compile(r"system/(\*|[A-Za-z]+)\.(?:read|\*)")
_SECOND = re.compile(r"system/(\*|[A-Za-z]+)\.((?=[cruds])c?r?u?d?s?)(?:\?\S*)?")
_JSON = {"Accept": "application/json"}
_EXTENSIONS = "http://fhir-registry.smarthealthit.org/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where tokens are to be had; ``is_first``: scopes are written as in SMART 1."""

    url: str
    is_first: bool

    @property
    def scope(self) -> str:
        """The scopes that a pull needs."""
        permission = "read" if self.is_first else "rs"
        return " ".join(f"system/{kind}.{permission}" for kind in _READ_KINDS)

    @property
    def asks(self) -> str:
        """What was asked for, as a sentence for who may allow it."""
        return f"asked for were {self.scope}, which the server must allow our client"


def find_token_endpoint(base: httpx.URL, calls: Calls) -> TokenEndpoint:
    """Return the endpoint by ``.well-known/smart-configuration``, else by the CapabilityStatement.

    Scopes are those of the version of which alone the server lists any, else by its capabilities:
    who announces some, but not ``permission-v2``, knows SMART 1.

    Raises:
        SourceError: neither names an endpoint with https.
    """
    told = _document(base.join(".well-known/smart-configuration"), calls)
    endpoint, capabilities = told.get("token_endpoint"), told.get("capabilities")
    scopes, is_old = told.get("scopes_supported"), False
    if not endpoint:  # SMART 1 allows this; SMART 2 does not.
        extensions = list(_extensions(_document(base.join("metadata"), calls)))
        urls = [one.get("valueUri") for one in extensions if one.get("url") == "token"]
        endpoint, is_old = next(iter(urls), None), True
        of_capabilities = f"{_EXTENSIONS}capabilities"
        capabilities = [e.get("valueCode") for e in extensions if e.get("url") == of_capabilities]
    listed = scopes if isinstance(scopes, list) else []
    first = any(isinstance(one, str) and _FIRST.fullmatch(one) for one in listed)
    second = any(isinstance(one, str) and _SECOND.fullmatch(one) for one in listed)
    known = capabilities if isinstance(capabilities, list) else []
    by_capabilities = "permission-v2" not in known and (is_old or bool(known))
    return TokenEndpoint(_https(endpoint), first if first != second else by_capabilities)


def _document(address: httpx.URL, calls: Calls) -> Element:
    """Return what lies at an address; nothing where that is a web page, say, or not there."""
    answer = calls.call(lambda: httpx.Request("GET", address, headers=_JSON))
    try:
        return read_object(answer.body) if answer.status == 200 else {}
    except SourceError:
        return {}


def _extensions(statement: Element) -> Iterator[dict[str, object]]:
    """Yield the extensions on the security of a CapabilityStatement, with those inside them."""
    for rest in objects(statement.get("rest")):
        for extension in objects(object_of(rest.get("security")).get("extension")):
            yield extension
            yield from objects(extension.get("extension"))


def _https(endpoint: object) -> str:
    try:
        url = httpx.URL(endpoint) if isinstance(endpoint, str) else httpx.URL("")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        text = "neither smart-configuration nor CapabilityStatement names an https token endpoint"
        raise SourceError(text)
    return str(url)


def missing_kinds(granted: object) -> list[str]:
    """Return which resources the granted scopes do not let us read and search.

    The list is empty where the scopes are not told, or are none of SMART's for systems.
    """
    scopes = granted.split() if isinstance(granted, str) else []
    allowed = {match[1] for one in scopes if (match := _FIRST.fullmatch(one))}
    for one in scopes:
        match = _SECOND.fullmatch(one)
        if match and "r" in match[2] and "s" in match[2]:
            allowed.add(match[1])
        elif match and "r" in match[2] and match[1] in ("*", "Patient"):
            allowed.add("Patient")  # It is read by its id and not searched for.
    is_told = any(one.startswith("system/") for one in scopes)
    return [kind for kind in _READ_KINDS if is_told and not allowed & {kind, "*"}]
