"""A batch whose upload is read as its sender declares: any export may be stored as it is."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from tests.server.jobs.stored import GRADERS, HEADER, Stored
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Rules
from toxgrade.tabular.declared_options import as_json, from_json
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions

_BATCHES = "/v1/studies/default/batches"
_WIDE = """Kennung;Abnahme;ALT (U/l);Bili (mg/dl);Leuko
P1;20.01.2011;31;0,9;5,2
P1;23.04.2011;121;1,8;n.b.
P2;01.08.2011;;0,9;<0,1
P1;24.04.2011;x;2,0;2,8
"""
_DATES = "patient;rt_start;rt_end\nP1;24.01.2011;09.03.2011\n"
_MAPPING = """[columns]
patient = "Kennung"
collected = "Abnahme"
[[wide]]
column = "ALT (U/l)"
analyte = "ALT"
unit = "U/L"
uln = "40"
[[wide]]
column = "Bili (mg/dl)"
analyte = "bilirubin"
unit = "mg/dL"
lln = "0,2"
uln = "1,2"
[[wide]]
column = "Leuko"
analyte = "WBC"
unit = "10*9/L"
lln = "4,0"
uln = "10"
"""
_WORDS = {"decimal": ",", "dates": "%d.%m.%Y", "null": "n.b."}


def _uploaded(service: Stored, **more: Any) -> dict[str, Any]:
    files = {"labs": ("x.csv", _WIDE), "patients": ("p.csv", _DATES), "mapping": ("m", _MAPPING)}
    answer = service.client.post(_BATCHES, files=files, **more)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("place", ["data", "params"])
def test_a_wide_export_with_decimal_commas_is_stored_as_it_is_graded(
    service: Stored, tmp_path: Path, place: str
) -> None:
    queued = _uploaded(service, **{place: _WORDS})
    assert queued["read_as"] is None
    service.work()
    ended = service.batch(queued["id"])
    assert (ended["state"], ended["rows_total"], ended["rows_rejected"]) == ("done", 10, 1)
    assert ended["read_as"] == "CSV, UTF-8, semicolons (detected)"
    assert ended["reading"]["dates"] == "%d.%m.%Y"
    assert ended["reading"]["map"]["columns"]["patient"] == "Kennung"

    (tmp_path / "x.csv").write_text(_WIDE)
    (tmp_path / "p.csv").write_text(_DATES)
    batch = GradeFileRequest(
        (str(tmp_path / "x.csv"),), tmp_path / "out.parquet", Rules(), tmp_path / "p.csv",
        rejects=tmp_path / "rejects.csv",
        options=ReadOptions(decimal=",", dates=("%d.%m.%Y",), nulls=("n.b.",),
                        columns=ColumnMap(**_read(_MAPPING))),
    )  # fmt: skip
    grade_file(batch, GRADERS)
    assert ",5,4,ALT (U/l),unreadable-value\n" in (tmp_path / "rejects.csv").read_text()
    graded = service.graded(ended["id"])
    names = ["Kennung", "Leuko", "row", "term", "grade", "reason", "phase", "worse_than_baseline"]
    stored, offline = (
        frame.select(pl.col(names).cast(pl.String)).filter(
            pl.col("reason").fill_null("") != "unreadable-value"
        )
        for frame in (graded, pl.read_parquet(tmp_path / "out.parquet"))
    )
    assert stored.equals(offline)
    assert len(stored) == len(graded) - 1
    found = {(g["collected"], g["term"]): g["grade"] for g in service.grades("default", "P1")}
    assert found["2011-04-23", "Blood bilirubin increased"] == 1
    assert found["2011-04-24", "White blood cell decreased"] == 2
    (reject,) = service.get(f"{_BATCHES}/{ended['id']}/rejects")["rejects"]
    where = (reject["row"], reject["line"], reject["column"])
    assert (*where, reject["reason"]) == (4, 5, "ALT (U/l)", "unreadable-value")


def _read(mapping: str) -> dict[str, Any]:
    read = tomllib.loads(mapping)
    return {"columns": read["columns"], "wide": tuple(read["wide"])}


def test_columns_by_other_names_and_a_body_without_a_form(service: Stored) -> None:
    text = "id,day,analyte,value,unit,lln,uln,rt_start,rt_end\nP1,2011-04-23,ALT,121,U/L,,40,,\n"
    words = {"map": ["patient=id", "collected=day"], "filename": "labs.csv"}
    answer = service.client.post(_BATCHES, params=words, content=text.encode())
    assert answer.status_code == 202, answer.text
    service.work()
    assert [g["grade"] for g in service.grades("default", "P1")] == [2]


def test_the_same_bytes_read_otherwise_are_another_batch(service: Stored) -> None:
    text = f"{HEADER}\nP1,23.04.2011,ALT,121,U/L,,40,,\n".encode()

    def upload(**words: str) -> str:
        answer = service.client.post(_BATCHES, params={"filename": "a.csv"} | words, content=text)
        found: str = answer.json()["id"]
        return found

    as_it_comes = upload()
    declared = upload(dates="%d.%m.%Y")
    assert as_it_comes != declared
    assert (upload(decimal=""), upload(dates="%d.%m.%Y")) == (as_it_comes, declared)
    service.work()
    assert [service.batch(i)["rows_rejected"] for i in (as_it_comes, declared)] == [1, 0]


@pytest.mark.parametrize(
    ("words", "loc", "says"),
    [
        ([("decimal", ";")], "decimal", "expected one of . ,"),
        ([("dates", "%d.%m.")], "dates", "expected %Y, %m"),
        ([("dates", "%d.%m.%Y %H")], "dates", "no time or %H:%M or %I:%M %p"),
        ([("dates", "%d.%m.%Y%")], "dates", "expected %Y, %m"),
        ([("delimiter", ";;")], "delimiter", "expected one character"),
        ([("sheet", "a"), ("sheet", "b")], "sheet", "expected once"),
        ([("treatment_columns", "A")], "treatment_columns", "expected two columns"),
        ([("map", "patients=id")], "map", "a column that is not one of ours"),
        ([("map", "/etc/passwd.toml")], "map", "expected OURS=THEIRS"),
        ([("null", "x" * 201)], "null", "expected at most 200"),
        ([("null", "\x07")], "null", "printable"),
    ],
)
def test_what_cannot_be_declared_is_named_and_nothing_is_kept(
    service: Stored, words: list[tuple[str, str]], loc: str, says: str
) -> None:
    text = f"{HEADER}\nP1,2011-04-23,ALT,121,U/L,,40,,\n"
    files = {"labs": ("a.csv", text)}
    by_query = service.client.post(_BATCHES, params=httpx.QueryParams(tuple(words)), files=files)
    by_form = service.client.post(_BATCHES, files=[*files.items(), *_fields(words)])
    for answer in (by_query, by_form):
        assert answer.status_code == 422, answer.text
        (fault,) = answer.json()["errors"]
        assert (fault["loc"], says in fault["message"]) == ([loc], True), fault
    assert [path.name for path in service.store.root.iterdir()] == ["name"]


def test_an_option_that_does_not_exist_is_named(service: Stored) -> None:
    """In the address it is a parameter of the route, in the form a field of ours."""
    files = {"labs": ("a.csv", f"{HEADER}\nP1,2011-04-23,ALT,121,U/L,,40,,\n")}
    by_query = service.client.post(_BATCHES, params={"decimals": ","}, files=files)
    by_form = service.client.post(_BATCHES, files=[*files.items(), *_fields([("decimals", ",")])])
    found = [(answer.status_code, answer.json()["errors"]) for answer in (by_query, by_form)]
    assert [(status, fault["loc"], fault["code"]) for status, (fault,) in found] == [
        (422, ["query", "decimals"], "unknown-parameter"),
        (422, ["decimals"], "unknown-field"),
    ]
    for _, (fault,) in found:
        assert "encoding, delimiter, decimal" in fault["message"]
        assert "rt_from" not in fault["message"]


def test_a_former_name_of_an_option_is_still_a_parameter(service: Stored) -> None:
    answer = service.client.post(
        f"{_BATCHES}?rt_from=rt_start,rt_end&filename=a.csv", content=f"{HEADER}\n".encode()
    )
    assert answer.status_code == 202, answer.text


def _fields(words: list[tuple[str, str]]) -> list[tuple[str, Any]]:
    return [(name, (None, text)) for name, text in words]


@pytest.mark.parametrize(
    ("mapping", "status", "says"),
    [
        (b"a = " + b"[" * 50_000, 422, "nested too deep"),
        (b"a" + b".a" * 30_000 + b" = 1", 422, "a key of 64 parts or more"),
        (b"a = {'b'" + b' . "b"' * 5_000 + b" = 1}", 422, "a key of 64 parts or more"),
        (b"a = " + b"1" * 5_000, 422, "expected texts in quotes"),
        (b"[columns\n", 422, "not TOML"),
        (b"\xff", 422, "not TOML"),
        (b"[[wide]]\ncolumn = 'ALT'\n", 422, "entry 1 lacks analyte"),
        (b"#" * 70_000, 413, "a mapping file is at most 65536 bytes"),
    ],
    ids=["deep", "dotted", "quoted", "long number", "broken", "not text", "half", "large"],
)
def test_a_mapping_file_that_is_none(
    service: Stored, mapping: bytes, status: int, says: str
) -> None:
    files = {"labs": ("a.csv", b"x\n1\n"), "mapping": ("m.toml", mapping)}
    answer = service.client.post(_BATCHES, files=files)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert [path.name for path in service.store.root.iterdir()] == ["name"]


@pytest.mark.parametrize(
    "reading",
    [
        DEFAULT_OPTIONS,
        ReadOptions(decimal=",", nulls=("-", "n.b."), dates=("%d.%m.%Y",), treatment=("A", "B")),
        ReadOptions(columns=ColumnMap({"patient": "Ä"}, {"unit": "U/L"}, ({"column": "ALT"},))),
    ],
)
def test_what_is_declared_is_kept_whole(reading: ReadOptions) -> None:
    assert from_json(as_json(reading)) == reading
    assert (as_json(reading) is None) == (reading == DEFAULT_OPTIONS)


def test_a_batch_of_instants_declares_their_zone(service: Stored, tmp_path: Path) -> None:
    row = dict(zip(HEADER.split(","), ("P1", "", "ALT", "50", "U/L", "", "40"), strict=False))
    drawn = datetime(2011, 1, 23, 23, tzinfo=UTC)  # Midnight of 24 January in Berlin.
    pl.DataFrame([row | {"collected": drawn}]).write_parquet(tmp_path / "labs.parquet")
    content = (tmp_path / "labs.parquet").read_bytes()

    def ended(**more: str) -> dict[str, Any]:
        params = {"filename": "labs.parquet", **more}
        queued = service.client.post(_BATCHES, content=content, params=params).json()
        service.work()
        return service.batch(queued["id"])

    undeclared, declared = ended(), ended(timezone="Europe/Berlin")
    assert undeclared["state"] == "failed"
    assert "the column collected holds instants" in undeclared["detail"]
    assert (declared["state"], declared["reading"]) == ("done", {"timezone": "Europe/Berlin"})
    refused = service.client.post(_BATCHES, content=content, params={"timezone": "Mars/Olympus"})
    assert (refused.status_code, "Europe/Berlin" in refused.text) == (422, True)
