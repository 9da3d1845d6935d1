"""A stored batch: what the same rows give over HTTP, every row accounted for, safe to repeat."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import NewDatabase, served
from tests.server.jobs.stored import GRADERS, HEADER, Stored, cut_here, stored
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Rules
from toxgrade.server.jobs.chunk import Piece
from toxgrade.server.settings import Settings

_P1, _P2 = "2011-01-24,2011-03-09", ","
_LABS = f"""{HEADER},note,source_id
P1,2011-01-20,bilirubin,0.9,mg/dL,0.2,1.2,{_P1},first,
P2,2011-08-01,WBC,2.8,K/uL,4,10,{_P2},,S-1
P1,2011-04-23,TBIL,1.8,mg/dL,0.2,1.2,{_P1},"two
lines",
P1,2011-07-01,ALT,<50,U/L,,40,{_P1},,
P1,2011-02-01,creatinine,1.5,mg/dL,,1.2,{_P1},,
P1,2011-01-02,creatinine,0.8,mg/dL,,1.2,{_P1},,
P2,2011-08,albumin,2.9,g/dL,35,50,{_P2},,
P2,2011-08-01,lead,5,ug/L,,,{_P2},,
P2,2011-08-01,WBC,2.8,K/uL,4,10,{_P2},again,S-1
P1,2011-04-24,ALT,130,U/L,,,{_P1},,
P1,2011-04-24,platelets,0,K/uL,0,0,{_P1},,
"""


def _panels(text: str) -> dict[str, dict[str, Any]]:
    """The same rows as they would be sent over HTTP, patient by patient."""
    panels: dict[str, dict[str, Any]] = {}
    for row in pl.read_csv(text.encode(), infer_schema=False).iter_rows(named=True):
        panel = panels.setdefault(row["patient"], {"results": []})
        if row["rt_start"] or row["rt_end"]:
            panel["radiotherapy"] = {"start": row["rt_start"], "end": row["rt_end"]}
        fields = ("analyte", "value", "unit", "lln", "uln", "collected", "source_id")
        panel["results"].append({name: row[name] for name in fields if row[name] is not None})
    return panels


def _post(service: Stored, text: str, study: str) -> None:
    for patient, panel in _panels(text).items():
        answer = service.client.post(f"/v1/studies/{study}/patients/{patient}/results", json=panel)
        assert answer.status_code == 201, answer.text


_EARLIER = f"""{HEADER},note,source_id
P1,2011-01-22,bilirubin,1.3,mg/dL,0.2,1.2,{_P1},,
P1,2011-02-28,ALT,90,U/L,,40,{_P1},,
"""


@pytest.mark.parametrize("earlier", ["", _EARLIER], ids=["new patients", "known patients"])
def test_a_batch_stores_what_the_same_rows_give_over_http(service: Stored, earlier: str) -> None:
    for study in ("over-http", "by-batch"):
        assert service.client.put(f"/v1/studies/{study}", json={}).status_code in (200, 201)
        if earlier:
            _post(service, earlier, study)
    _post(service, _LABS, "over-http")
    ended = service.done(_LABS, "by-batch")
    assert (ended["state"], ended["rows_total"], ended["rows_done"]) == ("done", 11, 11)
    for patient in ("P1", "P2"):
        by_batch = service.grades("by-batch", patient)
        assert by_batch == service.grades("over-http", patient)
        assert len(by_batch) >= 4
        toxicity = [
            service.get(f"/v1/studies/{study}/patients/{patient}/toxicity")
            for study in ("over-http", "by-batch")
        ]
        assert toxicity[0] == toxicity[1]


def test_a_batch_counts_gradings_without_a_phase_as_the_file_does(
    service: Stored, tmp_path: Path
) -> None:
    """Of P1's course the acute window ends in June 2011; P2's has no end, P3 has none."""
    labs = f"""{HEADER}
P1,2011-02-01,ALT,130,U/L,,40,2011-01-24,2011-03-09
P1,2011-06,WBC,2.8,K/uL,4,10,2011-01-24,2011-03-09
P1,2011-06,ALT,lost,U/L,,40,2011-01-24,2011-03-09
P2,2011-08-01,ALT,130,U/L,,40,2011-01-24,
P3,2011-08-01,ALT,130,U/L,,40,,
"""
    ended = service.done(labs)
    expected = {"date_too_coarse": 2, "no_end_of_treatment": 1, "no_treatment_dates": 1}
    assert ended["phase_unknown"] == expected
    (tmp_path / "labs.csv").write_text(labs)
    request = GradeFileRequest((str(tmp_path / "labs.csv"),), tmp_path / "out.csv", Rules())
    assert grade_file(request, GRADERS).phase_unknown == expected


def test_every_row_comes_out_in_order_with_its_stored_grades(
    service: Stored, tmp_path: Path
) -> None:
    """For patients who are new, the graded rows are those of ``toxgrade grade``."""
    ended = service.done(_LABS)
    graded = service.graded(ended["id"])
    (tmp_path / "labs.csv").write_text(_LABS)
    output = tmp_path / "out.parquet"
    grade_file(GradeFileRequest((str(tmp_path / "labs.csv"),), output, Rules()), GRADERS)
    offline = pl.read_parquet(output).cast({pl.Enum: pl.String, pl.Categorical: pl.String})
    assert graded.drop("because", "stored").select(offline.columns).equals(offline)
    assert graded["stored"].all()
    assert graded["because"].is_not_null().all()


def test_a_row_that_cannot_be_stored_is_refused_alone_and_listed(service: Stored) -> None:
    rows = [
        ("P1,2011-01-20,ALT,31,U/L,,40,,,,", None),
        ("P1,2011-01-20,ALT,x,U/L,,40,,,,", ("value", "unreadable-value", False)),
        ("P1,yesterday,ALT,5,U/L,,40,,,,", ("collected", "unreadable-date", False)),
        ("P1,,ALT,5,U/L,,40,,,,", ("collected", "missing-date", False)),
        ("P1,2011-01-20,ALT,5,U/L,,forty,,,,", ("uln", "unreadable-limit", False)),
        ("P1,2011-01-20,,5,U/L,,40,,,,", ("analyte", "missing-analyte", False)),
        ("P1,2011-01-20,ALT,5,U\x07L,,40,,,,", ("unit", "unreadable-text", False)),
        ("P1,2011-01-20,ALT,5,U/L,,40,,,F,", ("status", "unknown-status", False)),
        ("P1,2011-01-20,lead,5,U/L,,40,,,,", ("analyte", "unknown-analyte", True)),
        ("P1,2011-01-20,ALT,5,furlong,,40,,,,", ("unit", "unknown-unit", True)),
        ("P1,2011-01-20,ALT,,U/L,,40,,,,", ("value", "missing-value", True)),
        ("Jane Doe,2011-01-20,ALT,5,U/L,,40,,,,", ("patient", "patient-name", False)),
        (",2011-01-20,ALT,5,U/L,,40,,,,", ("patient", "missing-patient", False)),
        ("P2,2011-01-20,ALT,5,U/L,,40,,,,S", ("source_id", "two-contents", False)),
        ("P2,2011-01-20,ALT,6,U/L,,40,,,,S", ("source_id", "two-contents", False)),
    ]
    text = f"{HEADER},status,source_id,x\n" + "\n".join(row for row, _ in rows)
    ended = service.done(text + "\n")
    expected = [
        {"row": i, "line": i + 1, "column": e[0], "reason": e[1], "stored": e[2]}
        for i, (_, e) in enumerate(rows, 1)
        if e
    ]
    path = f"/v1/studies/default/batches/{ended['id']}/rejects"
    assert service.get(path) == {"rejects": expected, "next": None}
    assert (ended["state"], ended["rows_done"], ended["rows_rejected"]) == ("done", 15, 14)
    graded = service.graded(ended["id"])
    assert graded["row"].unique().to_list() == list(range(1, 16))
    refused = [e["row"] for e in expected if not e["stored"]]
    assert graded.filter(~pl.col("stored"))["row"].unique().to_list() == refused
    assert graded.filter(~pl.col("stored"))["grade"].null_count() == len(refused)
    assert len(service.grades("default", "P1")) == 4
    assert service.get("/v1/studies/default/patients")["patients"] == [{"patient": "P1"}]


def test_rejects_come_in_pages_or_as_csv(service: Stored) -> None:
    rows = "\n".join(f"P{n},2011-01-20,ALT,x,U/L,,40,," for n in range(5))
    ended = service.done(f"{HEADER}\n{rows}\n")
    path = f"/v1/studies/default/batches/{ended['id']}/rejects"
    found, cursor = [], ""
    while cursor is not None:
        page = service.get(f"{path}?limit=2{cursor and '&cursor=' + cursor}")
        found += [reject["row"] for reject in page["rejects"]]
        cursor = page["next"]
    assert found == [1, 2, 3, 4, 5]
    lines = service.client.get(path, headers={"Accept": "text/csv"}).text.splitlines()
    assert lines[0] == "row,line,column,reason,stored"
    assert lines[5] == "5,6,value,unreadable-value,False"
    assert service.client.get(f"{path}?cursor=x").status_code == 422


def test_the_same_bytes_again_are_the_same_batch(service: Stored) -> None:
    first = service.upload(_LABS)
    assert service.upload(_LABS)["id"] == first["id"]
    service.work()
    again = service.upload(_LABS)
    assert (again["id"], again["state"]) == (first["id"], "done")
    assert service.client.put("/v1/studies/other", json={}).status_code == 201
    assert service.upload(_LABS, "other")["id"] != first["id"]
    kept = [path for path in service.store.root.iterdir() if path.is_dir()]
    assert len(kept) == 2, "a repeated upload leaves no file behind"


def test_rows_sent_again_in_another_file_change_nothing(service: Stored) -> None:
    service.done(_LABS)
    before = service.grades("default", "P1")
    service.done(_LABS + f"P3,2011-08-01,ALT,50,U/L,,40,{_P2},,\n")
    assert service.grades("default", "P1") == before
    every = service.get("/v1/studies/default/patients/P1/grades?include_superseded=true&limit=1000")
    assert len(every["grades"]) == len(before)


def test_a_file_that_cannot_be_used_fails_with_its_reason(service: Stored) -> None:
    ended = service.done("a,b,c\n1,2,3\n")
    assert ended["state"] == "failed"
    assert ended["detail"].startswith("labs.csv: the header lacks")
    answer = service.client.get(f"/v1/studies/default/batches/{ended['id']}/grades.parquet")
    assert answer.status_code == 409
    assert service.upload("a,b,c\n1,2,3\n")["id"] != ended["id"], "it may be tried again"


def test_an_upload_in_many_pieces_is_whole(service: Stored) -> None:
    """It is written in pieces of a MiB or so."""
    note = "n" * 2000
    rows = [
        f"P{i % 50},2011-04-{1 + i % 28:02},ALT,{20 + i},U/L,,40,,,{note},S{i}" for i in range(1500)
    ]
    text = "\n".join([f"{HEADER},note,source_id", *rows, ""])
    ended = service.done(text)
    assert (ended["state"], ended["rows_done"], ended["rows_rejected"]) == ("done", 1500, 0)
    assert set(service.graded(ended["id"])["note"]) == {note}


@pytest.mark.parametrize("null", ["x" * 201, "a\nb"])
def test_what_is_declared_in_too_many_words_is_refused(service: Stored, null: str) -> None:
    answer = service.client.post(
        "/v1/studies/default/batches", params={"null": null}, content=_LABS.encode(),
        headers={"Content-Type": "text/csv"},
    )  # fmt: skip
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["code"]) == (["null"], "unprintable")


def test_a_header_alone_is_a_batch_of_no_rows(service: Stored) -> None:
    ended = service.done(HEADER + "\n")
    assert (ended["state"], ended["rows_total"]) == ("done", 0)
    assert len(service.graded(ended["id"])) == 0


def test_a_patients_file_comes_with_it(service: Stored) -> None:
    labs = "patient,collected,analyte,value,unit,lln,uln\nP1,2011-04-23,ALT,90,U/L,,40\n"
    patients = "patient,rt_start,rt_end\nP1,2011-01-24,2011-03-09\n"
    answer = service.client.post(
        "/v1/studies/default/batches",
        files={"labs": ("labs.csv", labs), "patients": ("p.csv", patients)},
    )
    assert answer.status_code == 202, answer.text
    service.work()
    (grade,) = service.grades("default", "P1")
    assert (grade["phase"], grade["days_from_end"]) == ("acute", 45)


def test_a_cancelled_batch_stops_and_keeps_what_it_stored(
    service: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_here(monkeypatch, rows=1)
    queued = service.upload(_LABS)
    worker = service.worker()
    assert worker.step(), "cut into chunks"
    assert worker.step(), "the first one stored"
    path = f"/v1/studies/default/batches/{queued['id']}"
    cancelled = service.client.delete(path).json()
    assert (cancelled["state"], cancelled["rows_done"]) == ("cancelled", 7)
    assert not worker.step()
    assert len(service.grades("default", "P1")) > 0
    assert not service.store.folder(queued["id"]).exists()
    assert service.client.delete(path).status_code == 200
    ended = service.done(_LABS)
    assert (ended["id"] != queued["id"], ended["state"]) == (True, "done")
    assert service.client.delete(f"{path[:-32]}{ended['id']}").status_code == 409


def test_a_chunk_that_cannot_be_stored_is_set_aside_and_the_rest_goes_on(
    service: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_here(monkeypatch, rows=1)
    whole = Piece.store

    def poisoned(self: Piece, connection: Any) -> None:
        whole(self, connection)
        if self.new[0][0].name == "P2":
            raise KeyError("2.8")

    monkeypatch.setattr(Piece, "store", poisoned)
    ended = service.done(_LABS)
    assert (ended["state"], ended["rows_done"], ended["rows_rejected"]) == ("incomplete", 11, 4)
    (aside,) = ended["quarantined"]
    assert (aside["chunk"], aside["rows"]) == (2, 4)
    assert aside["reason"].startswith("unforeseen KeyError at poisoned")
    assert service.get("/v1/studies/default/patients")["patients"] == [{"patient": "P1"}]
    rejects = service.get(f"/v1/studies/default/batches/{ended['id']}/rejects")["rejects"]
    assert {(r["reason"], r["stored"]) for r in rejects} == {("quarantined", False)}
    monkeypatch.undo()
    again = service.done(_LABS)
    assert (again["state"], again["id"] != ended["id"]) == ("done", True)
    assert len(service.grades("default", "P2")) > 0


def test_an_upload_that_is_too_long_leaves_nothing(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    with stored(new_sqlite(), tmp_path, max_batch_bytes=1000) as service:
        service.upload("x" * 1001, expect=413)
        chunked = service.client.post(
            "/v1/studies/default/batches?filename=labs.csv",
            content=iter([b"x" * 600, b"x" * 600]),
        )
        assert chunked.status_code == 413
        assert [path.name for path in tmp_path.iterdir()] == ["name"]


@pytest.mark.parametrize(
    ("study", "query", "content", "kind", "status"),
    [
        ("nowhere", "", b"x", "text/csv", 404),
        ("default", "", b"x", "application/json", 415),
        ("default", "", b"x", "", 415),
        ("default", "?filename=labs.exe", b"x", "text/plain", 415),
        ("default", "", b"", "text/csv", 422),
        ("default", "", b"x", "multipart/form-data", 400),
        ("default", "", b"--b\r\n", "multipart/form-data; boundary=b", 422),
    ],
)
def test_what_is_no_file_is_refused(
    service: Stored, study: str, query: str, content: bytes, kind: str, status: int
) -> None:
    answer = service.client.post(
        f"/v1/studies/{study}/batches{query}", content=content, headers={"Content-Type": kind}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not [path for path in service.store.root.iterdir() if path.is_dir()]


def test_another_study_s_batch_is_not_found(service: Stored) -> None:
    batch = service.upload(_LABS)["id"]
    assert service.client.put("/v1/studies/other", json={}).status_code == 201
    for path in ("", "/rejects", "/grades.parquet"):
        answer = service.client.get(f"/v1/studies/other/batches/{batch}{path}")
        assert answer.status_code == 404
    assert service.client.delete(f"/v1/studies/other/batches/{batch}").status_code == 404
    assert service.client.get("/v1/studies/default/batches/../name").status_code == 404


def test_a_folder_of_uploads_that_cannot_be_used_is_told(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    """The volume of a container belonged to root: the answer was 500."""
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "batches"
    with served(Settings(database_url=new_sqlite(), batches_dir=folder, auth="off")) as client:
        csv = {"Content-Type": "text/csv"}
        answer = client.post("/v1/studies/default/batches", content=HEADER.encode(), headers=csv)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["detail"] == "TOXGRADE_BATCHES_DIR cannot be used: Not a directory"
