"""A FHIR R4 server to read from: resources by id, and all pages of searches."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from toxgrade.errors import RequestError, SourceError
from toxgrade.fhir.elements import object_of, objects, text_of
from toxgrade.server.ehr.pull.http_client import BackendToken, Calls, read_object, scope
from toxgrade.server.settings import is_loopback

_MAX_PAGES = 1000  # A search with more pages is taken to lead in a circle.
_PER_PAGE = "200"
_JSON = {"Accept": "application/json"}
_FHIR_JSON = {"Accept": "application/fhir+json"}


def read_base(text: str) -> httpx.URL:
    """Parse the base address of a server.

    Raises:
        RequestError: it is neither https nor http on this machine, or has a query or a user.
    """
    try:
        url = httpx.URL(text.rstrip("/") + "/")
    except httpx.InvalidURL:
        url = httpx.URL("")
    is_local = url.scheme == "http" and is_loopback(url.host)
    if not url.host or not (url.scheme == "https" or is_local) or url.query or url.userinfo:
        raise RequestError("--fhir-url: expected https://host/path of a FHIR R4 server")
    return url


def token_address(base: httpx.URL, calls: Calls) -> tuple[str, str]:
    """Return token endpoint and scope by the server's ``.well-known/smart-configuration``.

    The scope is of SMART 1 where only that is announced.

    Raises:
        SourceError: it names none, or one without https.
    """
    address = base.join(".well-known/smart-configuration")
    answer = calls.call(lambda: httpx.Request("GET", address, headers=_JSON))
    told = read_object(answer.body) if answer.status == 200 else {}
    endpoint, capabilities = told.get("token_endpoint"), told.get("capabilities")
    known = capabilities if isinstance(capabilities, list) else []
    is_first = "permission-v1" in known and "permission-v2" not in known
    url = httpx.URL(endpoint) if isinstance(endpoint, str) else httpx.URL("")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise SourceError("the server's smart-configuration names no https token_endpoint")
    return str(url), scope("read" if is_first else "rs")


class Server:
    """The server at ``base``; ``token`` None: it needs no access token."""

    def __init__(self, base: httpx.URL, calls: Calls, token: BackendToken | None = None) -> None:
        self.base, self._calls, self._token = base, calls, token

    def resource(self, path: str) -> dict[str, Any]:
        """Return one resource, such as ``Patient/7``.

        Raises:
            SourceError: it is not there, or cannot be read.
        """
        return self._get(self.base.join(path))

    def search(self, kind: str, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the resources that a search finds, page after page.

        Raises:
            SourceError: a page cannot be read, is no complete search result, or lies elsewhere.
        """
        url = self.base.join(kind).copy_merge_params({**parameters, "_count": _PER_PAGE})
        seen = set()
        while True:
            seen.add(url)
            page = self._get(url)
            if page.get("resourceType") != "Bundle" or page.get("type") != "searchset":
                raise SourceError(f"the search for {kind} was not answered with a searchset")
            for entry in objects(page.get("entry")):
                resource = _checked(object_of(entry.get("resource")))
                yield _relative(resource, text_of(entry.get("fullUrl")) or "")
            links = objects(page.get("link"))
            following = [one.get("url") for one in links if one.get("relation") == "next"]
            if not following or not isinstance(following[0], str):
                return
            url = self._on_this_server(url.join(following[0]))
            if url in seen or len(seen) >= _MAX_PAGES:
                raise SourceError("the pages of a search lead in a circle")

    def _on_this_server(self, url: httpx.URL) -> httpx.URL:
        """Return the address if it lies on this server, because no other may see the token."""
        origins = [(one.scheme, one.host, one.port) for one in (url, self.base)]
        if origins[0] != origins[1]:
            raise SourceError("the next page lies on another server")
        return url

    def _get(self, url: httpx.URL) -> dict[str, Any]:
        """Return a resource; if the server refuses the token, try once with a new one."""
        answer = self._calls.call(lambda: self._request(url))
        if answer.status == 401 and self._token:
            self._token.renew()
            answer = self._calls.call(lambda: self._request(url))
        if answer.status != 200:
            raise SourceError(f"the server answered {answer.status}")
        return read_object(answer.body)

    def _request(self, url: httpx.URL) -> httpx.Request:
        bearer = {"Authorization": f"Bearer {self._token.current()}"} if self._token else {}
        return httpx.Request("GET", url, headers=_FHIR_JSON | bearer)


def _checked(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource of a page; refuse an error, because the page is then incomplete."""
    if resource.get("resourceType") == "OperationOutcome":
        severities = [text_of(one.get("severity")) for one in objects(resource.get("issue"))]
        if {"error", "fatal"} & set(severities):
            raise SourceError("the search was answered in part, with an error")
    return dict(resource)


def _relative(resource: dict[str, Any], full_url: str) -> dict[str, Any]:
    """Return a resource whose subject is relative if it lies where the resource itself does.

    A server behind a proxy may name itself by another address than the one that it is asked at.
    """
    own = full_url.removesuffix(f"{resource.get('resourceType')}/{resource.get('id')}")
    subject = object_of(resource.get("subject"))
    reference = text_of(subject.get("reference")) or ""
    if own in ("", full_url) or not reference.startswith(own):
        return resource
    return resource | {"subject": {**subject, "reference": reference.removeprefix(own)}}
