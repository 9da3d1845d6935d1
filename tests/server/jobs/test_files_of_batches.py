"""A batch reads a file as `toxgrade grade` does; one that cannot be used ends it with a reason."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.server.jobs.stored import HEADER, Stored
from tests.tabular import files
from tests.tabular.test_damaged_files import changed_workbook
from tests.tabular.test_sas_libraries import library

_BATCHES = "/v1/studies/default/batches"


def ended(service: Stored, name: str, content: bytes, **words: str) -> dict[str, Any]:
    """Upload a file, do all the work, and return the batch."""
    answer = service.client.post(_BATCHES, params={"filename": name} | words, content=content)
    assert answer.status_code == 202, answer.text
    service.work()
    return service.batch(answer.json()["id"])


def _corner(path: Path) -> None:
    changed_workbook(
        path, {"xl/worksheets/0.xml": lambda sheet: sheet.replace(b'r="A2"', b'r="XFD1048576"')}
    )


@pytest.mark.parametrize(
    ("name", "write", "words", "says"),
    [
        ("a.xlsx", _corner, {}, "save it as CSV"),
        ("a.xpt", lambda p: library(p, ["LB", "LBHE"], 5), {}, "several members (LB, LBHE)"),
        ("a.parquet", lambda p: p.write_bytes(b"PAR1" * 30), {}, "damaged or cut off"),
        ("a.csv", lambda p: p.write_text(f"{HEADER}\n"), {"sheet": "LB"}, "--sheet is for"),
        ("a.csv", lambda p: p.write_text(f"{HEADER}\n"), {"values": "standard"}, "SDTM LB"),
        ("a.csv", lambda p: p.write_text(f"{HEADER}\n"), {"fill_down": "value"}, "never filled"),
        ("a.csv", lambda p: p.write_text("a\nb\n"), {"rt_from": "NO,SUCH", "map": "patient=a"},
         "a.csv: --treatment-columns names columns that are not there"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_fails_its_batch(
    service: Stored, tmp_path: Path, name: str, write: Any, words: dict[str, str], says: str
) -> None:
    write(tmp_path / name)
    batch = ended(service, name, (tmp_path / name).read_bytes(), **words)
    assert batch["state"] == "failed"
    assert says in batch["detail"].replace("labs", "a")


def test_a_member_of_a_library_is_stored(service: Stored, tmp_path: Path) -> None:
    content = library(tmp_path / "a.xpt", ["DM", "LBHE"], 5).read_bytes()
    batch = ended(service, "a.xpt", content, sheet="LBHE")
    assert (batch["state"], batch["rows_total"]) == ("done", 1)
    assert batch["read_as"] == "SAS XPT, member LBHE"


def test_cells_filled_down_are_stored_and_flagged_in_what_comes_out(service: Stored) -> None:
    row = "{},2011-0{}-20,ALT,130,U/L,,40,,\n"
    text = (
        f"{HEADER}\n" + row.format("P1 ", 1) + row.format("", 2) + f"{HEADER}\n" + row.format("", 3)
    )
    batch = ended(service, "a.csv", text.encode(), fill_down="patient")
    assert (batch["state"], batch["rows_total"], batch["rows_rejected"]) == ("done", 3, 1)
    assert batch["read_as"].endswith("; repeated header rows, left out: 1")
    graded = service.graded(batch["id"]).select("patient", "row", "grade", "reason", "flags")
    assert graded.rows() == [
        ("P1 ", 1, 2, None, None),
        ("P1", 2, 2, None, "filled-down"),
        (None, 4, None, "missing-patient", None),
    ]
    assert len(service.grades("default", "P1")) == 2
    (reject,) = service.get(f"{_BATCHES}/{batch['id']}/rejects")["rejects"]
    assert (reject["row"], reject["line"], reject["reason"]) == (4, 5, "missing-patient")


def test_blank_rows_of_a_workbook_are_no_rejects(service: Stored, tmp_path: Path) -> None:
    names = tuple(HEADER.split(","))
    row = ("P1", "2011-04-23", "ALT", 130.0, "U/L", None, 40.0, None, None)
    blank, stray = (None,) * len(names), (" ", *(None,) * (len(names) - 1))
    no_value = (*row[:3], "none", *row[4:])
    files.xlsx(tmp_path / "a.xlsx", {"Labs": [names, row, blank, no_value, blank, stray]})
    batch = ended(service, "a.xlsx", (tmp_path / "a.xlsx").read_bytes())
    assert (batch["state"], batch["rows_total"], batch["rows_rejected"]) == ("done", 2, 1)
    assert batch["read_as"] == "XLSX, sheet Labs; blank rows, left out: 3"
    (reject,) = service.get(f"{_BATCHES}/{batch['id']}/rejects")["rejects"]
    assert (reject["row"], reject["line"], reject["reason"]) == (3, 4, "unreadable-value")


def test_identifiers_of_results_are_trimmed(service: Stored) -> None:
    header = f"{HEADER},source_id"
    for number in ("7", " 7 "):
        text = f"{header}\nP1,2011-01-20,ALT,130,U/L,,40,,,{number}\n"
        assert ended(service, "a.csv", text.encode())["state"] == "done"
    assert len(service.grades("default", "P1")) == 1


def test_a_mapping_adds_to_a_layout_that_is_known(service: Stored) -> None:
    names = "USUBJID,LBTESTCD,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBDTC,START,END"
    text = f"{names}\nP1,ALT,130,U/L,,40,2011-04-23,2011-01-24,2011-03-09\n"
    batch = ended(service, "a.csv", text.encode(), treatment_columns="START,END")
    assert batch["state"] == "done", batch["detail"]
    (graded,) = service.grades("default", "P1")
    assert (graded["grade"], graded["phase"]) == (2, "acute")


def test_an_upload_is_on_the_disk_before_it_is_accepted(
    service: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a loss of power leaves a batch in the queue whose file is empty."""
    content, synced, sync = f"{HEADER}\nA,2011-04-01,ALT,130,U/L,,40,,\n".encode(), [], os.fsync

    def noted(file: int) -> None:
        sync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", noted)
    answer = service.client.post(_BATCHES, params={"filename": "a.csv"}, content=content)
    assert answer.status_code == 202
    assert len(content) in synced
