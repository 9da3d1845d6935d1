"""Every GET says what bounds its answer and the memory that makes it; a new one must say so too."""

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from tests.server.api.panels import panel, value
from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings

FIXED = "the software: criteria, pages and files that it comes with"
LIMIT = "`limit`, at most 1,000, and `cursor`"
PAGE = "so many on a page"
RESULTS = "the results of one patient, of which more than 100,000 are refused"
DRAWN = "the results of one patient, of which more than 20,000 are not drawn"
VERSIONS = "the versions of one result or one patient's findings"
PATIENTS = "the study's patients by terms; results are summed or streamed"
STREAM = "nothing is held: it is streamed"
ONE = "one row, or what one request stored"

_BOUNDS = {
    "/livez": ONE, "/readyz": ONE, "/metrics": "the routes",
    "/.well-known/smart-configuration": ONE, "/fhir/.well-known/smart-configuration": ONE,
    "/fhir/metadata": FIXED,
    "/fhir/OperationDefinition/ctcae-grade": FIXED, "/cds-services": FIXED,
    "/v1/audit": LIMIT, "/v1/criteria": FIXED, "/v1/criteria/compare": FIXED, "/v1/analytes": FIXED,
    "/v1/studies": LIMIT, "/v1/studies/{study}": ONE, "/v1/studies/{study}/patients": LIMIT,
    "/v1/studies/{study}/reference-ranges": ONE, "/v1/studies/{study}/audit": LIMIT,
    "/v1/studies/{study}/batches": LIMIT, "/v1/studies/{study}/batches/{batch}": ONE,
    "/v1/studies/{study}/batches/{batch}/rejects": LIMIT + "; CSV is streamed",
    "/v1/studies/{study}/batches/{batch}/grades.parquet": STREAM,
    "/v1/studies/{study}/toxicity-table": PATIENTS, "/v1/studies/{study}/shift-table": PATIENTS,
    "/v1/studies/{study}/late-toxicity": PATIENTS, "/v1/studies/{study}/time-to-grade": PATIENTS,
    "/v1/studies/{study}/survival": PATIENTS, "/v1/studies/{study}/liver-safety": LIMIT,
    "/v1/studies/{study}/patients/{patient}": ONE,
    "/v1/studies/{study}/patients/{patient}/grades": LIMIT,
    "/v1/studies/{study}/patients/{patient}/toxicity": RESULTS,
    "/v1/studies/{study}/patients/{patient}/events": LIMIT,
    "/v1/studies/{study}/patients/{patient}/liver-safety/reviews": VERSIONS,
    "/v1/studies/{study}/patients/{patient}/audit": LIMIT,
    "/v1/studies/{study}/patients/{patient}/grades/{grade}/history": VERSIONS,
    "/sign-in": FIXED, "/": PAGE, "/grade": FIXED, "/criteria": FIXED, "/criteria/{name}": FIXED,
    "/criteria/{name}/{beside}": FIXED, "/static/{version}/{name}": FIXED,
    "/studies/{study}": PATIENTS, "/studies/{study}/audit": PAGE, "/studies/{study}/patients": PAGE,
    "/studies/{study}/behind/{phase}/{reading}": PATIENTS,
    "/studies/{study}/other/{phase}/{term}/{what}": PATIENTS,
    "/studies/{study}/behind/{phase}/{label}/{kind}/{what}": PATIENTS,
    "/studies/{study}/pictures/{file}": PATIENTS, "/studies/{study}/batches": PAGE,
    "/studies/{study}/batches/{batch}": PAGE,
    "/studies/{study}/batches/{batch}/rejects.csv": STREAM,
    "/studies/{study}/batches/{batch}/grades.parquet": STREAM,
    "/studies/{study}/patients/{patient}": RESULTS + "; " + PAGE,
    "/studies/{study}/patients/{patient}/{file}": DRAWN,
}  # fmt: skip


def test_every_get_has_a_bound() -> None:
    routes = iter_route_contexts(create_app(Settings(auth="off")).routes)
    reads = {
        context.path
        for context in routes
        if isinstance(route := context.original_route, APIRoute) and "GET" in (route.methods or ())
    }
    assert {path for path in reads if path and not path.startswith("/docs")} == _BOUNDS.keys()


def test_studies_are_read_page_by_page(api: httpx.Client) -> None:
    for name in ("a", "b", "c"):
        assert api.put(f"/v1/studies/{name}", json={}).status_code == 201
    first = api.get("/v1/studies", params={"limit": 3}).json()
    assert [one["study"] for one in first["studies"]] == ["a", "b", "c"]
    last = api.get("/v1/studies", params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["study"] for one in last["studies"]] == ["default"]
    assert last["next"] is None
    assert 'href="/studies/default"' in api.get("/", params={"after": "c"}).text


def test_events_are_read_page_by_page(api: httpx.Client) -> None:
    path = "/v1/studies/default/patients/P1/events"
    for day in ("2011-04-23", "2011-04-24", "2011-04-25"):
        sent = {"term": "Nausea", "grade": 1, "onset": day}
        assert api.post(path, json=sent).status_code == 201
    first = api.get(path, params={"limit": 2}).json()
    last = api.get(path, params={"limit": 2, "cursor": first["next"]}).json()
    onsets = [one["onset"] for one in (*first["events"], *last["events"])]
    assert onsets == ["2011-04-23", "2011-04-24", "2011-04-25"]
    assert last["next"] is None


def test_more_results_than_an_answer_can_hold(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = "studies/default/patients/P1"
    sent = panel(*(value(source_id=str(n)) for n in range(3)))
    assert api.post(f"/v1/{patient}/results", json=sent).status_code == 201
    monkeypatch.setattr("toxgrade.server.web.charts.gallery._MOST_DRAWN", 2)
    assert "more results than a timeline can show" in api.get(f"/{patient}").text
    assert api.get(f"/{patient}/timeline.svg").status_code == 413
    assert api.get(f"/v1/{patient}/toxicity").status_code == 200
    monkeypatch.setattr("toxgrade.server.api.patients.MOST_READ", 2)
    monkeypatch.setattr("toxgrade.server.web.patient.MOST_READ", 2)
    refused = api.get(f"/v1/{patient}/toxicity")
    assert refused.status_code == 413
    assert "page by page" in refused.json()["detail"]
    assert api.get(f"/{patient}").status_code == 413
    assert api.get(f"/v1/{patient}/grades").status_code == 200
