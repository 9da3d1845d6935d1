"""A panel graded as it is typed, and the criteria as they are looked up."""

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect


def _type(page: Page, **fields: str) -> None:
    page.goto("/grade")
    for name, text in fields.items():
        page.fill(f"[name={name.replace('_', '-')}]", text)


_DATES = {"start": "2011-01-24", "end": "2011-03-09", "before": "2011-01-20"}


@pytest.mark.parametrize(
    ("taken", "phase"), [("2011-04-23", "acute"), ("2011-06-09", "acute"), ("2011-06-10", "late")]
)
def test_a_panel_is_graded_as_it_is_typed(page: Page, taken: str, phase: str) -> None:
    _type(page, **_DATES, taken=taken, uln_0="1.2", base_0="0.9", value_0="1.8")
    row = page.locator("#answer tbody tr")
    expect(row).to_contain_text("1.8 mg/dL is 1.5 x ULN")
    expect(row.locator(".grade").first).to_have_text("1")
    expect(row.locator("td").nth(2)).to_contain_text("worse")
    expect(row.locator("td").last).to_have_text(phase)


def test_what_is_undecided_shows_its_interval_and_reason(page: Page) -> None:
    _type(page, value_1="<130", uln_1="40")
    row = page.locator("#answer tbody tr")
    expect(row.locator(".grade")).to_have_text("0–2")
    expect(row).to_contain_text("censored-value")


@pytest.mark.parametrize(
    ("dates", "phase", "flagged"),
    [
        ({"start": "2011-01-24"}, "unknown", True),  # it may not have ended
        ({"end": "2011-03-09"}, "late", False),
        ({}, "unknown", False),
    ],
)
def test_what_one_date_of_treatment_says(
    demo: httpx.Client, dates: dict[str, str], phase: str, flagged: bool
) -> None:
    row = {"analyte-0": "bilirubin", "value-0": "1.8", "unit-0": "mg/dL", "uln-0": "1.2"}
    answer = demo.post("/grade", data=row | dates | {"taken": "2011-06-10"})
    assert f"<td>{phase}</td>" in answer.text
    assert ("no-radiotherapy-end" in answer.text) == flagged


@pytest.mark.parametrize(
    ("window", "phase"),
    [("", "late"), ("paper", "late"), ("end+6m", "acute"), ("start+90d", "late"),
     ("end+121m", None), ("forever", None)],
)  # fmt: skip
def test_a_panel_has_the_window_that_is_typed_or_no_grade(
    demo: httpx.Client, window: str, phase: str | None
) -> None:
    row = {"analyte-0": "bilirubin", "value-0": "1.8", "unit-0": "mg/dL", "uln-0": "1.2"}
    sent = row | {"start": "2011-01-24", "end": "2011-03-09", "taken": "2011-06-10"}
    answer = demo.post("/grade", data=sent | {"window": window})
    if phase is None:
        assert "expected paper, rtog90, end90, or such as end+3m" in answer.text
        assert "x ULN" not in answer.text
    else:
        assert f"<td>{phase}</td>" in answer.text


@pytest.mark.parametrize(("edition", "grade"), [("", "1"), ("4.03", "1"), ("5.0", "0")])
def test_a_panel_is_graded_by_the_edition_that_is_chosen(
    demo: httpx.Client, edition: str, grade: str
) -> None:
    """In 5.0 an abnormal baseline counts: 85 U/L is 1.42 times 60 U/L, grade 1 begins at 1.5."""
    row = {"analyte-0": "ALT", "value-0": "85", "unit-0": "U/L", "uln-0": "40", "base-0": "60"}
    answer = demo.post("/grade", data=row | {"edition": edition})
    assert re.findall(r'class="grade[^"]*">(\d)<', answer.text)[0] == grade


@pytest.mark.parametrize(
    ("fields", "fault", "says"),
    [
        ({"value_0": "1,8"}, "value-0", "a decimal point"),
        ({"uln_0": "<1.2"}, "uln-0", "such as 1.2"),
        ({"start": "2011-03-09", "end": "2011-01-24"}, "end", "before the start"),
        (
            _DATES | {"before": "2011-02-01", "base_0": "1", "value_0": "1"},
            "before",
            "on or before",
        ),
    ],
)
def test_a_field_that_cannot_be_read_is_named(
    page: Page, fields: dict[str, str], fault: str, says: str
) -> None:
    _type(page, **fields)
    line = page.locator(f"#answer li[data-field={fault}]")
    expect(line).to_contain_text(says)
    expect(page.locator(f"[name={fault}]")).to_have_attribute("aria-invalid", "true")
    page.fill(f"[name={fault}]", "2011-01-20" if fault in ("end", "before") else "1.8")
    if fault != "end":
        expect(line).to_have_count(0)


def test_the_form_works_without_scripts(browser: Browser, demo: httpx.Client) -> None:
    context = browser.new_context(base_url=str(demo.base_url), java_script_enabled=False)
    page = context.new_page()
    _type(page, value_6="2.8")
    page.get_by_role("button", name="Grade").click()
    assert page.locator("#answer .grade").all_inner_texts() == ["2", "0"]
    assert page.input_value("[name=value-6]") == "2.8"
    context.close()


@pytest.mark.parametrize(
    "body", [b"\xff", b"=" * 70_000, b"a=%ff", b"&".join(b"a%d=1" % i for i in range(600))]
)
def test_a_body_that_is_no_form_of_ours_is_refused(demo: httpx.Client, body: bytes) -> None:
    answer = demo.post("/grade", content=body)
    assert answer.status_code in (413, 422)
    assert "<h1>" in answer.text


def test_the_criteria_stand_in_ncis_words_beside_the_limit_used(page: Page) -> None:
    page.goto("/criteria")
    term = page.locator("article").filter(has=page.get_by_text("Blood bilirubin increased"))
    row = term.locator("tbody tr").nth(1)
    assert [cell.inner_text() for cell in row.locator("td").all()] == [
        ">1.5 - 3.0 x ULN", "> 1.5 x ULN",
    ]  # fmt: skip


@pytest.mark.parametrize("words", ["1975-2", "TBIL", "10005364", "blood bili"])
def test_a_term_is_found_by_name_and_code(page: Page, words: str) -> None:
    page.goto("/criteria")
    page.fill("#find", words)
    assert page.locator("article:visible h2").all_inner_texts() == ["Blood bilirubin increased"]


@pytest.mark.parametrize("edition", ["4.03", "5.0", "6.0"])
@pytest.mark.parametrize("other", ["4.03", "5.0", "6.0"])
def test_any_two_editions_stand_side_by_side(demo: httpx.Client, edition: str, other: str) -> None:
    answer = demo.get(f"/criteria/{edition}/{other}")
    assert answer.status_code == 200
    for one in (edition, other):
        assert f"NCI&#39;s wording, {one}" in answer.text or f"NCI's wording, {one}" in answer.text


def test_editions_are_switched(page: Page) -> None:
    page.goto("/criteria/4.03")
    page.get_by_label("Find").fill("platelet")
    expect(page.locator("article.term:visible h2")).to_have_text(["Platelet count decreased"])
    page.get_by_role("link", name="6.0", exact=True).click()
    page.get_by_label("Find").fill("thrombocytopenia")
    expect(page.locator("article.term:visible")).to_contain_text("<10,000/mm3")
