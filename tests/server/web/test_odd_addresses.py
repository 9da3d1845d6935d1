"""Addresses of pages as nobody would write them: each is answered, none with 5xx, none repeated.

The routes are taken from the application, for pages are not in the OpenAPI document.
"""

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.exc import OperationalError

from tests.conftest import NewDatabase, served
from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings

_ODD = (
    "9" * 30, "9223372036854775807", "-1", "0", "1.5", "1e400", "NaN", "\u0663", "x" * 3000,
    "<b>", "'", "a b", "%00", "\x00", "..", "\u202e", "é", "P13", "acute", "ALT",
)  # fmt: skip
_REAL = {"study": "demo", "patient": "P13", "edition": "4.03", "phase": "acute"}


def _routes() -> list[tuple[str, list[str], list[str]]]:
    """Of each page its path, and the names in its path and in its query."""
    return [
        (
            context.path or "",
            [field.alias for field in route.dependant.path_params],
            [field.alias for field in route.dependant.query_params],
        )
        for context in iter_route_contexts(create_app(Settings(auth="off")).routes)
        if isinstance(route := context.original_route, APIRoute)
        if not route.include_in_schema and "GET" in (route.methods or ())
    ]


def _addresses(path: str, in_path: list[str], in_query: list[str]) -> Iterator[str]:
    real = {name: _REAL.get(name, "1") for name in in_path}
    if "file" in real:
        real["file"] = "timeline.json" if "{patient}" in path else "butterfly.json"
    for odd in map(quote, _ODD):
        for name in in_path:
            yield path.format(**real | {name: odd})
        for name in in_query:
            yield f"{path.format(**real)}?{name}={odd}"


@pytest.mark.parametrize("route", _routes(), ids=lambda route: str(route[0]))
def test_it_is_answered(demo: httpx.Client, route: tuple[str, list[str], list[str]]) -> None:
    for address in _addresses(*route):
        answer = demo.get(address)
        assert answer.status_code < 500, address
        assert "<b>" not in answer.text or answer.status_code == 200, address


@pytest.mark.parametrize(
    ("error", "status"), [(KeyError("1.8"), 500), (OperationalError("1.8", {}, Exception()), 503)]
)
def test_a_page_that_fails_says_so_as_a_page(
    new_sqlite: NewDatabase, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("toxgrade.server.web.studies.list_studies", fail)
    with served(Settings(database_url=new_sqlite(), auth="off")) as client:
        answer = client.get("/", headers={"Accept": "text/html"})
        assert client.get("/studies").status_code == 404
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<h1" in answer.text
    assert "1.8" not in answer.text
