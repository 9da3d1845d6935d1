"""Lists that are longer than a page: followed from page to page, each thing is there once."""

import re
from urllib.parse import urljoin

import httpx
import pytest

_NEXT = re.compile(r'<a href="([^"]+)" rel="next">')


def _followed(client: httpx.Client, address: str, item: str) -> list[list[str]]:
    """What a pattern finds on each page, from the first to the last."""
    found, following = list[list[str]](), address
    while following:
        text = client.get(following).text
        found.append(re.findall(item, text))
        more = _NEXT.search(text)
        following = urljoin(address, more[1]) if more else ""
    return found


@pytest.mark.parametrize("per_page", [7, 41, 1000])
def test_patients(demo: httpx.Client, monkeypatch: pytest.MonkeyPatch, per_page: int) -> None:
    monkeypatch.setattr("toxgrade.server.web.studies.PER_PAGE", per_page)
    answer = demo.get("/v1/studies/demo/patients", params={"limit": 1000}).json()["patients"]
    every = [patient["patient"] for patient in answer]
    pages = _followed(demo, "/studies/demo/patients", r'patients/([^"/]+)">')
    assert pages == [every[i : i + per_page] for i in range(0, len(every), per_page)]
    before = re.findall(
        r'href="([^"]+)" rel="prev"', demo.get("/studies/demo/patients?page=2").text
    )
    assert before == (["?page=1"] if per_page < len(every) or before else [])


def test_the_audit(demo: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking is told of as well: the last page grows by each look."""
    for _ in range(45):
        demo.get("/v1/studies/demo/patients")
    monkeypatch.setattr("toxgrade.server.web.studies.ENTRIES_PER_PAGE", 20)
    pages = _followed(demo, "/studies/demo/audit", r'<tr><td class="n">(\d+)<')
    assert {len(page) for page in pages[:-1]} == {20}
    found = [int(seq) for page in pages for seq in page]
    assert found == list(range(1, len(found) + 1))


def test_grades_of_a_patient(demo: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _followed(demo, "/studies/demo/patients/P13", r'<td class="day">([^<]+)<')
    monkeypatch.setattr("toxgrade.server.web.patient.PER_PAGE", 10)
    pages = _followed(demo, "/studies/demo/patients/P13", r'<td class="day">([^<]+)<')
    assert {len(page) for page in pages[:-1]} == {10}
    assert [day for page in pages for day in page] == whole[0]


def test_the_swimmer_picture(demo: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    every = demo.get("/v1/studies/demo/patients", params={"limit": 1000}).json()["patients"]
    n_pages = -(-len(every) // 16)
    for place in ("toxgrade.server.web.patient", "toxgrade.server.web.charts.over_time"):
        monkeypatch.setattr(f"{place}.PATIENTS_PER_CHART", 16)
    address, html, seen = "/studies/demo/pictures/swimmer", {"Accept": "text/html"}, list[str]()
    for number in range(1, n_pages + 1):
        text = demo.get(f"{address}?page={number}", headers=html).text
        assert f"<span>Page {number} of {n_pages}</span>" in text
        assert bool(_NEXT.search(text)) == (number < n_pages)
        drawn = demo.get(f"{address}.json?page={number}").text
        shown = set(re.findall(r'"patient": ?"([^"]+)"', drawn))
        assert len(shown) == (16 if number < n_pages else len(every) - 16 * (n_pages - 1))
        seen += shown
    assert sorted(seen) == [patient["patient"] for patient in every]
