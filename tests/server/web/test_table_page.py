"""The toxicity table as a person reads it off the page."""

import json
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page

_EXPECTED: dict[str, Any] = json.loads(
    (files("toxgrade.demo") / "table2_expected.json").read_text(encoding="utf-8")
)


def _read(page: Page) -> dict[str, dict[str, dict[str, object]]]:
    """Rows by their label, as the paper writes it."""
    found = {}
    for row in page.locator("table.toxicity tbody tr").all():
        label = row.locator("th").inner_text()
        cells = [cell.inner_text() for cell in row.locator("td").all()]
        found[label] = {f"grade_{grade}": _cell(cells[grade]) for grade in range(1, 5)}
    return found


def _cell(text: str) -> dict[str, object]:
    n, _, percent = text.partition(" ")
    return {"n": int(n), "pct": percent.strip("()") or "0"}


def test_table_2_stands_on_the_page(page: Page) -> None:
    page.goto("/studies/demo")
    assert _read(page) == _EXPECTED["table2"]
    assert "synthetic" in page.locator("h1").inner_text()


def test_both_readings_of_any_toxicity_lead_to_their_patients(page: Page) -> None:
    expected = _EXPECTED["acute_toxicity"]
    for title, key in (
        ("Any toxicity", "worse_than_baseline_any_term"),
        ("Any toxicity, other reading", "clinical_or_haematological_any_grade"),
        ("Any grade", "any_grade_ge1_including_persistent_baseline"),
    ):
        page.goto("/studies/demo")
        figure = page.locator(".figures > div").filter(has=page.get_by_text(title, exact=True))
        figure.locator("a").first.click()
        assert page.locator(".names a").all_inner_texts() == expected[key]["patients"]


@pytest.mark.parametrize(
    ("phase", "row", "grade", "patients"),
    [
        ("acute", "Leukopenia", 3, ["P02", "P03"]),
        ("acute", "Liver enzymes: worst grade", 4, ["P13"]),
        ("acute", "Albumin: baseline", 1, ["P02", "P18"]),
        ("late", "Bilirubin: worst grade", 4, ["P14"]),
    ],
)
def test_a_number_leads_to_the_patients_behind_it(
    page: Page, phase: str, row: str, grade: int, patients: list[str]
) -> None:
    page.goto(f"/studies/demo?phase={phase}")
    cells = page.locator("tbody tr").filter(has=page.get_by_role("rowheader", name=row, exact=True))
    cells.locator("td").nth(grade).locator("a").click()
    assert page.locator(".names a").all_inner_texts() == patients
    assert not page.url.partition("?")[2], "no identifier in a query string"


def test_what_is_not_certain_leads_to_its_patients_too(page: Page) -> None:
    page.goto("/studies/demo")
    page.get_by_role("link", name="could be higher").click()
    assert page.locator(".names a").all_inner_texts() == ["P19"]


def test_studies_and_their_patients_are_listed(page: Page) -> None:
    page.goto("/")
    assert "25 patients" in page.locator("article").filter(has_text="demo").inner_text()
    page.get_by_role("link", name="demo", exact=True).click()
    page.get_by_role("link", name="Patients").click()
    assert page.locator(".names a").all_inner_texts() == sorted(_EXPECTED["per_patient"])


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.goto("/studies/demo")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
