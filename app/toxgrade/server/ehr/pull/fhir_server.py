"""A FHIR R4 server: resources by id, searches page by page, from this one server only."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from toxgrade.errors import RequestError, SourceError
from toxgrade.fhir.elements import object_of, objects, text_of
from toxgrade.server.ehr.pull.http_client import BackendToken, Calls, read_object
from toxgrade.server.settings import is_loopback

_PAGES = 1000  # of one search; a server that goes on is taken to go in a circle
_PER_PAGE = "200"
_JSON = {"Accept": "application/json"}
_FHIR_JSON = {"Accept": "application/fhir+json"}


def read_base(text: str) -> httpx.URL:
    """The base address of a server.

    Raises:
        RequestError: not https, or not http on this machine.
    """
    try:
        url = httpx.URL(text.rstrip("/") + "/")
    except httpx.InvalidURL:
        url = httpx.URL("")
    plain = url.scheme == "http" and is_loopback(url.host)
    if not url.host or not (url.scheme == "https" or plain) or url.query or url.userinfo:
        raise RequestError("--fhir-url: expected https://host/path of a FHIR R4 server")
    return url


def token_address(base: httpx.URL, calls: Calls) -> str:
    """Where the server says tokens are had, in its ``.well-known/smart-configuration``.

    Raises:
        SourceError: it does not say so.
    """
    address = base.join(".well-known/smart-configuration")
    answer = calls.call(lambda: httpx.Request("GET", address, headers=_JSON))
    told = read_object(answer.body).get("token_endpoint") if answer.status == 200 else None
    url = httpx.URL(told) if isinstance(told, str) else httpx.URL("")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise SourceError("the server's smart-configuration names no https token_endpoint")
    return str(url)


class Server:
    """Reads from the server at ``base``; ``token`` None: it asks for none."""

    def __init__(self, base: httpx.URL, calls: Calls, token: BackendToken | None = None) -> None:
        self._base, self._calls, self._token = base, calls, token

    def resource(self, path: str) -> dict[str, Any]:
        """One resource, such as ``Patient/7``.

        Raises:
            SourceError: it is not there, or cannot be had.
        """
        return self._get(self._base.join(path))

    def search(self, kind: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """The resources that a search finds, page after page.

        Raises:
            SourceError: a page cannot be had, is no search result, or lies elsewhere.
        """
        url = self._base.join(kind).copy_merge_params({**asked, "_count": _PER_PAGE})
        seen = set()
        while True:
            seen.add(url)
            page = self._get(url)
            if page.get("resourceType") != "Bundle" or page.get("type") != "searchset":
                raise SourceError(f"the search for {kind} was not answered with a searchset")
            for entry in objects(page.get("entry")):
                yield _not_a_refusal(object_of(entry.get("resource")))
            links = objects(page.get("link"))
            following = [one.get("url") for one in links if one.get("relation") == "next"]
            if not following or not isinstance(following[0], str):
                return
            url = self._here(url.join(following[0]))
            if url in seen or len(seen) >= _PAGES:
                raise SourceError("the pages of a search lead in a circle")

    def _here(self, url: httpx.URL) -> httpx.URL:
        """The address, if it lies on this server: the token is for no other."""
        places = [(one.scheme, one.host, one.port) for one in (url, self._base)]
        if places[0] != places[1]:
            raise SourceError("the next page lies on another server")
        return url

    def _get(self, url: httpx.URL) -> dict[str, Any]:
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


def _not_a_refusal(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource of a page; a page that says what it left out would be an incomplete answer."""
    if resource.get("resourceType") == "OperationOutcome":
        severities = [text_of(one.get("severity")) for one in objects(resource.get("issue"))]
        if {"error", "fatal"} & set(severities):
            raise SourceError("the search was answered in part, with an error")
    return dict(resource)
