"""A FHIR R4 server to read from: resources by id, and all pages of searches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from toxgrade.errors import RequestError, SourceError
from toxgrade.fhir.elements import Element, object_of, objects, text_of
from toxgrade.server.ehr.prefetch import is_outcome, is_partial
from toxgrade.server.ehr.pull.authorization import Authorization
from toxgrade.server.ehr.pull.http_client import Calls, HttpAnswer, read_object
from toxgrade.server.settings import is_loopback

_MAX_PAGES = 1000  # A search with more pages is taken to lead in a circle.
_MOST_BYTES = 256 * 1024 * 1024  # of all pages of a search
_PER_PAGE = "200"
_FHIR_JSON = {"Accept": "application/fhir+json"}
_NOT_THERE = (404, 410)
_NOT_TAKEN = (400, 404, 405, 422, 500, 501)  # Some answer 500 to what they do not know.


class NotThere(SourceError):
    """The server does not have the resource, or has it no longer."""


class NotTaken(SourceError):
    """The server does not take a search as it was asked."""


@dataclass(slots=True)
class Found:
    """The resources that a search found, as often as they came; ``gaps`` say what did not come."""

    resources: list[dict[str, object]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Add what another search found."""
        self.resources += other.resources
        self.gaps += other.gaps


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


class Server:
    """The server at ``base``; without ``authorization`` it answers everybody.

    ``clock``: when it last answered, by its own clock (None: it does not tell the time).
    ``takes_since``: whether it has taken ``_lastUpdated`` so far.
    """

    def __init__(
        self, base: httpx.URL, calls: Calls, authorization: Authorization | None = None
    ) -> None:
        self.base, self._calls, self._authorization = base, calls, authorization
        self.clock: datetime | None = None
        self.takes_since = True

    def resource(self, path: str) -> dict[str, object]:
        """Return one resource, such as ``Patient/7``.

        Raises:
            NotThere: it is not there.
            SourceError: it cannot be read.
        """
        answer = self._get(self.base.join(path))
        if answer.status in _NOT_THERE:
            raise NotThere(f"the server answered {answer.status}")
        return _object(answer)

    def search(self, kind: str, parameters: Mapping[str, str]) -> Found:
        """Return the resources of a kind that a search finds, of all pages.

        Raises:
            NotTaken: the server does not take the search.
            SourceError: a page cannot be read, is no complete search result, or lies elsewhere.
        """
        found, ids, total = Found(), set(), 0
        url = self.base.join(kind).copy_merge_params({**parameters, "_count": _PER_PAGE})
        for page in self._pages(url, kind):
            for entry in objects(page.get("entry")):
                resource = object_of(entry.get("resource"))
                if resource.get("resourceType") == kind:
                    full_url = text_of(entry.get("fullUrl")) or ""
                    found.resources.append(_relative(dict(resource), full_url))
                    ids.add(text_of(resource.get("id")) or len(found.resources))
                elif is_outcome(resource) and _checked(resource):
                    found.gaps.append(f"the server says that it did not find every {kind}")
            told = page.get("total")
            total = max(total, told) if isinstance(told, int) else total
        if total > len(ids):
            found.gaps.append(f"the server found more of {kind} than it sent")
        return found

    def _pages(self, url: httpx.URL, kind: str) -> Iterator[dict[str, object]]:
        seen, size = set(), 0
        while True:
            seen.add(url)
            answer = self._get(url)
            if answer.status in _NOT_TAKEN and len(seen) == 1:
                raise NotTaken(f"the server answered the search for {kind} with {answer.status}")
            page, size = _object(answer), size + len(answer.body)
            if page.get("resourceType") != "Bundle" or page.get("type") != "searchset":
                raise SourceError(f"the search for {kind} was not answered with a searchset")
            yield page
            links = objects(page.get("link"))
            following = [one.get("url") for one in links if one.get("relation") == "next"]
            if not following or not isinstance(following[0], str):
                return
            url = self._on_this_server(url, following[0])
            if url in seen or len(seen) >= _MAX_PAGES or size > _MOST_BYTES:
                raise SourceError("the pages of a search lead in a circle, or have no end")

    def _on_this_server(self, page: httpx.URL, link: str) -> httpx.URL:
        """Return where a page links to, on this server: no other may see what we are known by."""
        try:
            url = page.join(link)
        except httpx.InvalidURL:
            raise SourceError("the address of the next page cannot be read") from None
        origins = [(one.scheme, one.host, one.port, one.userinfo) for one in (url, self.base)]
        if origins[0] != origins[1]:
            raise SourceError("the next page lies on another server")
        return url

    def _get(self, url: httpx.URL) -> HttpAnswer:
        """Return the answer; if the server refuses what we are known by, try once with another."""
        answer = self._calls.call(lambda: self._request(url))
        if answer.status == 401 and self._authorization and self._authorization.renew():
            answer = self._calls.call(lambda: self._request(url))
        self.clock = answer.date
        return answer

    def _request(self, url: httpx.URL) -> httpx.Request:
        shown = {"Authorization": self._authorization.header()} if self._authorization else {}
        return httpx.Request("GET", url, headers=_FHIR_JSON | shown)


def _object(answer: HttpAnswer) -> dict[str, object]:
    """Return the resource of an answer that succeeded; else raise SourceError."""
    if answer.status == 401:
        raise SourceError("the server answered 401: it does not accept who we say we are")
    if answer.status == 403:
        raise SourceError("the server answered 403: it does not let us read this")
    if 300 <= answer.status < 400:
        raise SourceError("the server redirects: give the address it leads to")
    if answer.status != 200:
        raise SourceError(f"the server answered {answer.status}")
    return read_object(answer.body)


def _checked(outcome: Element) -> bool:
    """Return whether an outcome among results says that others are missing.

    Raises:
        SourceError: it is an error, so that the page is not complete.
    """
    severities = [text_of(one.get("severity")) for one in objects(outcome.get("issue"))]
    if {"error", "fatal"} & set(severities):
        raise SourceError("the search was answered in part, with an error")
    return is_partial(outcome)


def _relative(resource: dict[str, object], full_url: str) -> dict[str, object]:
    """Return a resource whose subject is relative if it lies where the resource itself does.

    A server behind a proxy may name itself by another address than the one that it is asked at.
    """
    own = full_url.removesuffix(f"{resource.get('resourceType')}/{resource.get('id')}")
    subject = object_of(resource.get("subject"))
    reference = text_of(subject.get("reference")) or ""
    if own in ("", full_url) or not reference.startswith(own):
        return resource
    return resource | {"subject": {**subject, "reference": reference.removeprefix(own)}}
