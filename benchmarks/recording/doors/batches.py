"""Uploads of whole exports: handed in, waited for, their files fetched."""

from benchmarks.recording.asked import Asked, get

_TRIAL, _FIVE = "/v1/studies/trial/batches", "/v1/studies/five/batches"


def _wait(name: str, path: str) -> Asked:
    return Asked(name, "GET", path, after_batches=True)


REQUESTS = (
    Asked("file", "POST", f"{_TRIAL}?filename=labs.csv", body_file="labs.csv",
          headers={"Content-Type": "text/csv", "Idempotency-Key": "batch"},
          keep={"batch": "json id"}),
    _wait("file stored", f"{_TRIAL}/{{batch}}"),
    Asked("same file", "POST", f"{_TRIAL}?filename=labs.csv", body_file="labs.csv",
          headers={"Content-Type": "text/csv"}),
    get("rejects", f"{_TRIAL}/{{batch}}/rejects"),
    get("rejects by one", f"{_TRIAL}/{{batch}}/rejects?limit=1", following="json next"),
    get("rejects, next", f"{_TRIAL}/{{batch}}/rejects?limit=1&cursor={{following}}"),
    get("rejects as CSV", f"{_TRIAL}/{{batch}}/rejects", "text/csv"),
    get("graded rows", f"{_TRIAL}/{{batch}}/grades.parquet"),
    get("what was stored", "/v1/studies/trial/patients/P1/grades"),
    get("another study's batch", f"{_FIVE}/{{batch}}"),
    Asked("form", "POST", _FIVE, files={"labs": "sdtm_lb.csv", "patients": "sdtm_dm.csv"},
          keep={"batch": "json id"}),
    _wait("form stored", f"{_FIVE}/{{batch}}"),
    get("form's rejects", f"{_FIVE}/{{batch}}/rejects"),
    get("form's graded rows", f"{_FIVE}/{{batch}}/grades.parquet"),
    Asked("declared", "POST", _FIVE, form={"decimal": ",", "dates": "%d.%m.%Y", "null": "n.d."},
          files={"labs": "wide.csv", "patients": "patients.csv", "mapping": "wide.toml"},
          keep={"batch": "json id"}),
    _wait("declared stored", f"{_FIVE}/{{batch}}"),
    get("declared's graded rows", f"{_FIVE}/{{batch}}/grades.parquet"),
    Asked("NDJSON of FHIR", "POST", _FIVE, body_file="observations.ndjson",
          headers={"Content-Type": "application/fhir+ndjson"}, keep={"batch": "json id"}),
    _wait("NDJSON stored", f"{_FIVE}/{{batch}}"),
    Asked("unusable", "POST", f"{_FIVE}?filename=broken.csv", body_file="broken.csv",
          headers={"Content-Type": "text/csv"}, keep={"batch": "json id"}),
    _wait("unusable failed", f"{_FIVE}/{{batch}}"),
    get("unusable's graded rows", f"{_FIVE}/{{batch}}/grades.parquet"),
    Asked("cancelled", "DELETE", f"{_FIVE}/{{batch}}"),
    Asked("no format", "POST", f"{_FIVE}?filename=labs.doc", body_file="labs.csv"),
    Asked("no labs", "POST", _FIVE, files={"patients": "patients.csv"}),
    Asked("odd option", "POST", f"{_FIVE}?filename=a.csv&decimal=x", body_file="labs.csv"),
    Asked("to no study", "POST", "/v1/studies/nowhere/batches?filename=a.csv",
          body_file="labs.csv"),
    get("batches", _FIVE),
    get("no such batch", f"{_FIVE}/{'0' * 32}"),
    get("no batch's name", f"{_FIVE}/zero"),
)  # fmt: skip
