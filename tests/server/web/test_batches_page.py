"""Handing in a lab export through the browser, and watching it until it is stored."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import NewDatabase
from tests.server.jobs.stored import HEADER, Stored, stored
from tests.server.web.conftest import watched
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.tabular.options import OPTIONS

_LABS = f"""{HEADER}
P1,2011-01-20,ALT,31,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,ALT,121,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-23,ALT,about 9,U/L,,40,2011-01-24,2011-03-09
P 2,2011-04-23,ALT,121,U/L,,40,2011-01-24,2011-03-09
"""


@pytest.fixture
def service(new_sqlite: NewDatabase, tmp_path: Path) -> Iterator[Stored]:
    with stored(new_sqlite(), tmp_path / "uploads") as found:
        yield found


@pytest.fixture
def page(browser: Browser, service: Stored) -> Iterator[Page]:
    yield from watched(browser, str(service.client.base_url))


def _choose(page: Page, tmp_path: Path, labs: str = _LABS) -> None:
    (tmp_path / "labs.csv").write_text(labs)
    page.goto("/studies/default/batches")
    page.set_input_files("input[name=labs]", tmp_path / "labs.csv")


def _figures(page: Page) -> dict[str, str]:
    return {
        figure.locator("dt").inner_text(): figure.locator("dd").inner_text()
        for figure in page.locator(".figures > div").all()
    }


def test_an_upload_is_watched_until_it_is_stored(
    page: Page, service: Stored, tmp_path: Path
) -> None:
    _choose(page, tmp_path)
    page.get_by_role("button", name="Grade and store").click()
    expect(page.get_by_role("status")).to_have_text("Queued: it waits for a worker")
    service.work()
    expect(page.get_by_role("status")).to_have_text("Done")  # without loading the page again
    assert _figures(page) == {"Rows": "4", "Settled": "4", "Rejected": "2"}
    rejects = [row.inner_text().split("\t") for row in page.locator("tbody tr").all()]
    assert rejects == [
        ["3", "4", "value", "unreadable-value", "not stored"],
        ["4", "5", "patient", "patient-name", "not stored"],
    ]
    for name, begins in (("All rejects (CSV)", b"row,line,column"), ("Graded rows", b"PAR1")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert Path(download.value.path()).read_bytes().startswith(begins)
    page.get_by_role("link", name="Uploads").click()
    assert page.locator("tbody tr").inner_text().split("\t")[1:] == ["done", "4", "4", "2"]
    page.get_by_role("link", name="Patients").click()
    page.get_by_role("link", name="P1").click()
    assert "Alanine aminotransferase increased" in page.inner_text("main")


def test_a_file_is_dropped_and_dates_come_with_it(page: Page, service: Stored) -> None:
    page.goto("/studies/default/batches")
    labs = "patient,collected,analyte,value,unit,lln,uln\nP1,2011-04-23,ALT,121,U/L,,40\n"
    dates = "patient,rt_start,rt_end\nP1,2011-01-24,2011-03-09\n"
    for field, name, text in (("labs", "labs.csv", labs), ("patients", "dm.csv", dates)):
        transfer = page.evaluate_handle(
            """([name, text]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([text], name, { type: "text/csv" }));
                return transfer;
            }""",
            [name, text],
        )
        page.dispatch_event(f".drop:has([name={field}])", "drop", {"dataTransfer": transfer})
    page.get_by_role("button", name="Grade and store").click()
    expect(page.get_by_role("status")).to_contain_text("Queued")
    service.work()
    expect(page.get_by_role("status")).to_have_text("Done")
    (grade,) = service.grades("default", "P1")
    assert (grade["grade"], grade["phase"]) == (2, "acute")


def test_what_is_not_accepted_is_said_on_the_spot(
    browser: Browser, service: Stored, tmp_path: Path
) -> None:
    context = browser.new_context(base_url=str(service.client.base_url))
    page = context.new_page()  # its console tells of the status 415: that is no fault here
    (tmp_path / "labs.docx").write_text("x")
    page.goto("/studies/default/batches")
    page.set_input_files("input[name=labs]", tmp_path / "labs.docx")
    page.get_by_role("button", name="Grade and store").click()
    expect(page.locator("#sent")).to_contain_text("the format of the file is not known")
    assert service.get("/v1/studies/default/batches")["batches"] == []
    context.close()


def test_how_a_file_is_to_be_read_is_declared_on_the_page(
    browser: Browser, service: Stored, tmp_path: Path
) -> None:
    context = browser.new_context(base_url=str(service.client.base_url))
    page = context.new_page()  # its console tells of the status 422: that is no fault here
    header = "Nr;collected;analyte;value;unit;lln;uln"
    (tmp_path / "labs.csv").write_text(f"{header}\nP1;23.04.2011;TBIL;1,8;mg/dL;0,2;1,2\n")
    (tmp_path / "map.toml").write_text('[columns]\npatient = "Nr"\n')
    page.goto("/studies/default/batches")
    page.set_input_files("input[name=labs]", tmp_path / "labs.csv")
    page.get_by_text("How the files are to be read").click()
    page.set_input_files("input[name=mapping]", tmp_path / "map.toml")
    page.get_by_label("Decimal sign").select_option(",")
    page.get_by_label("Format of dates").fill("d.m.y")
    page.get_by_role("button", name="Grade and store").click()
    expect(page.locator("#sent")).to_contain_text("dates: expected %Y, %m")
    page.get_by_label("Format of dates").fill("%d.%m.%Y")
    page.get_by_role("button", name="Grade and store").click()
    expect(page.get_by_role("status")).to_contain_text("Queued")
    service.work()
    told = "Read as CSV, UTF-8, semicolons (detected); declared: dates, decimal, map."
    expect(page.get_by_text(told)).to_be_visible()
    assert [g["grade"] for g in service.grades("default", "P1")] == [1]
    context.close()


def test_whatever_may_be_declared_has_its_field_on_the_page(service: Stored) -> None:
    told = service.client.get("/studies/default/batches").text
    assert {option.name for option in OPTIONS if f'name="{option.name}"' not in told} == {"map"}


def test_a_file_that_cannot_be_used_says_why(page: Page, service: Stored, tmp_path: Path) -> None:
    _choose(page, tmp_path, "patient,collected,analyte\nP1,2011-04-23,ALT\n")
    page.get_by_role("button", name="Grade and store").click()
    expect(page.get_by_role("status")).to_contain_text("Queued")
    service.work()
    expect(page.get_by_role("status")).to_contain_text("Failed: labs.csv: the header lacks value")


def test_an_upload_is_cancelled(page: Page, service: Stored, tmp_path: Path) -> None:
    _choose(page, tmp_path)
    page.get_by_role("button", name="Grade and store").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled")
    service.work()
    assert service.get("/v1/studies/default/patients")["patients"] == []


@pytest.mark.parametrize("path", ["/studies/default/batches", "/v1/studies/default/batches"])
def test_another_site_cannot_have_a_browser_upload(service: Stored, path: str) -> None:
    files = {"labs": ("labs.csv", _LABS, "text/csv")}
    for origin in ("https://evil.example", "null"):
        answer = service.client.post(path, files=files, headers={"Origin": origin})
        assert answer.status_code == 403
    assert service.get("/v1/studies/default/batches")["batches"] == []


def test_readers_see_uploads_and_hand_in_none(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    url = new_sqlite()
    with transaction(url) as opened:
        key = create_key(opened, "reader", "reader", ["default"])
    with stored(url, tmp_path, auth="on") as found:
        found.client.post("/sign-in", data={"key": key})
        answer = found.client.get("/studies/default/batches")
        assert answer.status_code == 200
        assert "<form" not in answer.text
        files = {"labs": ("labs.csv", _LABS, "text/csv")}
        assert found.client.post("/studies/default/batches", files=files).status_code == 403
