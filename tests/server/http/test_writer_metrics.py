"""What the writer and stored batches come to, for Prometheus."""

import re

import httpx

from tests.server.api.panels import panel
from toxgrade.server.records.db.transaction import transaction


def _read(api: httpx.Client, name: str) -> float:
    (found,) = re.findall(rf"^{name} (.*)$", api.get("/metrics").text, re.M)
    return float(found)


def test_jobs_and_their_groups_are_counted(api: httpx.Client) -> None:
    before = _read(api, "toxgrade_writer_jobs_total")
    for i in range(3):
        assert api.post(f"/v1/studies/default/patients/P{i}/results", json=panel()).is_success
    assert _read(api, "toxgrade_writer_jobs_total") >= before + 3
    assert _read(api, "toxgrade_writer_waiting") == 0
    assert _read(api, "toxgrade_writer_groups_total") <= _read(api, "toxgrade_writer_jobs_total")


def test_batch_rows_by_state(api: httpx.Client, database_url: str) -> None:
    sent = "patient,collected,analyte,value,unit,lln,uln\nP1,2011-04-23,ALT,130,U/L,,40\n"
    answer = api.post("/v1/studies/default/batches?filename=labs.csv", content=sent)
    assert answer.status_code == 202, answer.text
    with transaction(database_url) as opened:
        opened.connection.exec_driver_sql(
            "UPDATE batch_tasks SET kind = 'grade', rows = 1, state = 'waiting'"
        )
    assert _read(api, r'toxgrade_batch_rows\{state="waiting"\}') == 1
