"""No query costs the square of what is stored, whatever PostgreSQL knows of its tables.

It knows nothing after a restore or where autovacuum is off, and yesterday's state where a patient
has grown since. The work is counted in rows that its executor touches, not in seconds. A study
holds one patient with 1,000 results and 700 patients with four; their squares are 1 and 0.5
millions.
"""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel, value
from tests.server.records.plan_work import counted_work
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.settings import Settings

_MOST_PER_ROW = 16
"""Rows that a query may touch for each that is stored: it joins several tables by indexes."""

_PATIENTS = """
INSERT INTO studies (name, synthetic, recorded_at) VALUES ('s1', true, now());
INSERT INTO patients (study_id, name) SELECT s.id, 'P' || n
  FROM studies s, generate_series(0, 700) n WHERE s.name = 's1';
INSERT INTO treatments (patient_id, courses, recorded_at) SELECT id,
  '[{"start": "2011-01-24", "end": "2011-03-09", "ongoing": false}]', now() FROM patients;
INSERT INTO follow_ups (patient_id, last_contact, vital_status, recorded_at)
  SELECT id, '2024-01-01', 'alive', now() FROM patients;
"""
_RESULTS = """
INSERT INTO results (patient_id, identity, version, analyte, value, unit, uln, collected, status,
  is_baseline, recorded_at) SELECT p.id, encode(sha256((p.id || '-' || n)::bytea), 'hex'), v, 'ALT',
  (20 + n % 200)::text, 'U/L', '40', to_char(date '2011-01-01' + n, 'YYYY-MM-DD'), 'final', false,
  now() FROM patients p, generate_series({first}, {last}) n, generate_series(1, 1 + n % 2) v
  WHERE p.name {which};
INSERT INTO grades (patient_id, result_id, collected_on, analyte, term, grade, at_least, at_most,
  because, flags, phase, course, on_treatment, edition, criteria_sha256, software, recorded_at,
  baseline_grade, worse_than_baseline) SELECT r.patient_id, r.id, r.collected::date, 'ALT',
  'Alanine aminotransferase increased', 1, 1, 1, '', '', CASE WHEN r.collected < '2011-01-24' THEN
  'baseline' WHEN r.collected < '2011-06-08' THEN 'acute' ELSE 'late' END, 0, false, '4.03',
  repeat('a', 64), '0', now(), 0, true FROM results r LEFT JOIN grades g ON g.result_id = r.id
  WHERE g.id IS NULL AND r.version = (SELECT max(version) FROM results v
  WHERE v.patient_id = r.patient_id AND v.identity = r.identity);
INSERT INTO events (patient_id, identity, version, term, grade, onset, attribution, status,
  recorded_at) SELECT p.id, encode(sha256((p.id || '-' || n)::bytea), 'hex'), v, 'Fatigue', 2,
  '2012-01-01', 'related', 'final', now() FROM patients p, generate_series({first}, {last}) n,
  generate_series(1, 2) v WHERE p.name {which};
"""
_FEW, _MANY = ({"first": 1, "last": 4, "which": "LIKE 'P%'"},
               {"first": 5, "last": 1000, "which": "= 'P0'"})  # fmt: skip
_ROWS = 1500 + 4 * 700 * 3 // 2  # versions of results

_STUDY = (
    "/v1/studies", "/v1/studies/s1", "/v1/studies/s1/patients", "/v1/studies/s1/toxicity-table",
    "/v1/studies/s1/toxicity-table?phase=both&include_baseline=true",
    "/v1/studies/s1/shift-table?term=Fatigue", "/v1/studies/s1/late-toxicity",
    "/v1/studies/s1/time-to-grade?term=Fatigue&grade=2", "/v1/studies/s1/survival",
    "/v1/studies/s1/liver-safety?limit=10", "/v1/studies/s1/batches", "/v1/studies/s1/audit",
    "/", "/studies/s1", "/studies/s1/patients", "/studies/s1/audit", "/studies/s1/batches",
    "/studies/s1/pictures/butterfly.json", "/studies/s1/pictures/shift.json",
    "/studies/s1/pictures/edish.json", "/studies/s1/pictures/swimmer.json",
    "/studies/s1/pictures/incidence.json", "/metrics", "/readyz",
)  # fmt: skip
_PATIENT = (
    "/v1/studies/s1/patients/{patient}", "/v1/studies/s1/patients/{patient}/grades",
    "/v1/studies/s1/patients/{patient}/toxicity", "/v1/studies/s1/patients/{patient}/events",
    "/v1/studies/s1/patients/{patient}/liver-safety/reviews",
    "/v1/studies/s1/patients/{patient}/audit", "/studies/s1/patients/{patient}",
    "/studies/s1/patients/{patient}/timeline.json",
)  # fmt: skip


@pytest.fixture(scope="module", params=["never analysed", "analysed before", "little memory"])
def grown(request: pytest.FixtureRequest, new_postgresql: NewDatabase) -> Iterator[httpx.Client]:
    """A service over a database whose statistics say nothing, or what was true before."""
    url = new_postgresql()
    name = make_url(url).database
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as raw:
        for table in metadata.sorted_tables:
            raw.execute(f"ALTER TABLE {table.name} SET (autovacuum_enabled = off)".encode())
        raw.execute((_PATIENTS + _RESULTS.format(**_FEW)).encode())
        if request.param == "analysed before":
            raw.execute(b"ANALYZE")
        raw.execute(_RESULTS.format(**_MANY).encode())
        if request.param == "little memory":
            raw.execute(f"ALTER DATABASE {name} SET work_mem = '64kB'".encode())
            raw.execute(b"ANALYZE")
    with served(Settings(database_url=url, auth="off")) as client:
        yield client


@pytest.mark.parametrize("path", _STUDY)
def test_a_study_is_read_in_linear_work(grown: httpx.Client, path: str) -> None:
    with counted_work() as work:
        assert grown.get(path).status_code == 200
    assert [one for one in work if one[0] > _MOST_PER_ROW * _ROWS] == []


@pytest.mark.parametrize("path", _PATIENT)
@pytest.mark.parametrize(("patient", "rows"), [("P0", 1500), ("P7", 8)])
def test_a_patient_is_read_in_linear_work(
    grown: httpx.Client, path: str, patient: str, rows: int
) -> None:
    with counted_work() as work:
        assert grown.get(path.format(patient=patient)).status_code == 200
    assert [one for one in work if one[0] > _MOST_PER_ROW * rows] == []


def test_a_panel_is_stored_in_linear_work(grown: httpx.Client) -> None:
    sent = panel(value(source_id="N1"))
    grown.get("/v1/studies/s1/patients/P7/grades")  # The first entry of the audit reads all.
    with counted_work() as work:
        for patient, rows in (("P0", 1500), ("P7", 8), ("new", 8)):
            work.clear()
            path = f"/v1/studies/s1/patients/{patient}/results"
            assert grown.post(path, json=sent).status_code == 201
            assert [one for one in work if one[0] > _MOST_PER_ROW * rows] == []
        work.clear()  # Whose summary is kept by now is not read whole again.
        sent = panel(value(source_id="N2"))
        assert grown.post("/v1/studies/s1/patients/P0/results", json=sent).status_code == 201
        assert [one for one in work if one[0] > _MOST_PER_ROW * 8] == []
