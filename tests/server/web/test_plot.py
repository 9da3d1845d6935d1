"""``toxgrade plot``: the pictures of a stored study, and of an export that is stored nowhere."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import toxgrade.demo
from tests.conftest import NewDatabase
from toxgrade.demo import load_demo

_TOXGRADE = str(Path(sys.executable).parent / "toxgrade")
_MAGIC = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "json": b"{"}
_PICTURES = [["butterfly"], ["shift"], ["edish"], ["swimmer"], ["incidence"],
             ["timeline", "--patient", "P13"]]  # fmt: skip


@pytest.fixture(scope="module")
def stored(new_sqlite: NewDatabase) -> str:
    url = new_sqlite()
    load_demo(url)
    return url


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic cohort's laboratory rows as an export."""
    folder, package = tmp_path_factory.mktemp("export"), Path(toxgrade.demo.__file__).parent
    labs = pl.read_csv(package / "labs.csv", infer_schema=False)
    patients = pl.read_csv(package / "patients.csv", infer_schema=False)
    labs.join(patients, on="patient_id").select(
        "analyte", "unit", "lln", "uln", "status", "rt_start", "rt_end", patient="patient_id",
        collected="date", source_id="specimen_id",
        value=pl.concat_str([pl.col("comparator").fill_null(""), pl.col("value")]),
    ).write_csv(folder / "labs.csv")  # fmt: skip
    return folder / "labs.csv"


def plot(
    folder: Path, url: str, *options: object, before: Callable[[], object] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [_TOXGRADE, "plot", *map(str, options)],
        env=os.environ | {"TOXGRADE_DATABASE_URL": url}, cwd=folder, capture_output=True, text=True,
        preexec_fn=before,
    )  # fmt: skip


@pytest.mark.parametrize("picture", _PICTURES, ids=lambda picture: picture[0])
def test_of_a_stored_study_it_is_what_the_page_gives(
    stored: str, demo: httpx.Client, tmp_path: Path, picture: list[str]
) -> None:
    done = plot(tmp_path, stored, *picture, "--study", "demo", "-o", "out.json")
    assert done.returncode == 0, done.stderr
    place = "patients/P13/timeline" if "P13" in picture else f"pictures/{picture[0]}"
    assert (
        json.loads((tmp_path / "out.json").read_text())
        == demo.get(f"/studies/demo/{place}.json").json()
    )


def _drawn(path: Path) -> Any:
    """A picture's data, without the clinical rows that no export has."""
    spec = json.loads(path.read_text())
    clinical = {"Nausea", "Liver pain", "Fatigue"}
    return sorted(
        json.dumps(row, sort_keys=True)
        for rows in spec.get("datasets", {}).values()
        for row in rows
        if row.get("row") not in clinical
    )


@pytest.mark.parametrize("picture", ["butterfly", "shift", "edish"])
def test_of_an_export_it_draws_what_the_stored_study_does(
    stored: str, export: Path, tmp_path: Path, picture: str
) -> None:
    nowhere = f"sqlite:///{tmp_path / 'none' / 'x.db'}"  # were it asked, it would fail
    assert plot(tmp_path, nowhere, picture, "--labs", export, "-o", "a.json").returncode == 0
    assert plot(tmp_path, stored, picture, "--study", "demo", "-o", "b.json").returncode == 0
    assert _drawn(tmp_path / "a.json") == _drawn(tmp_path / "b.json") != []


_DRAWN = [(picture, kind) for picture in _PICTURES for kind in ("svg", "png")]
_DRAWN += [(["butterfly"], kind) for kind in _MAGIC if kind not in ("svg", "png")]


@pytest.mark.parametrize(("picture", "kind"), _DRAWN, ids=[f"{p[0]}.{k}" for p, k in _DRAWN])
def test_every_picture_of_an_export_and_every_format(
    export: Path, tmp_path: Path, picture: list[str], kind: str
) -> None:
    done = plot(tmp_path, "", *picture, "--labs", export, "-o", f"out.{kind}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"out.{kind}").read_bytes().startswith(_MAGIC[kind])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["pie", "--study", "demo", "-o", "x.svg"], "expected one of butterfly, shift"),
        (["edish", "--study", "demo", "-o", "x.gif"], "x.gif: a picture is a file of json, svg"),
        (["edish", "-o", "x.svg"], "give --study, or --labs"),
        (["timeline", "--study", "demo", "-o", "x.svg"], "--patient: a timeline is of one patient"),
        (["timeline", "--study", "demo", "--patient", "P99", "-o", "x.svg"], "no such patient"),
        (["shift", "--study", "demo", "--term", "Bilirubn", "-o", "x.svg"], "no such term or row"),
        (["edish", "--study", "nowhere", "-o", "x.svg"], "no such study"),
        (["edish", "--labs", "none.csv", "-o", "x.svg"], "none.csv"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    stored: str, tmp_path: Path, options: list[str], said: str
) -> None:
    done = plot(tmp_path, stored, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(
        "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end\n"
        "P1,2011-04-23,ALT,?,U/L,,40,2011-01-24,2011-03-09\n"
    )
    done = plot(tmp_path, "", "butterfly", "--labs", "labs.csv", "-o", "out.svg")
    assert done.returncode == 0
    assert done.stderr == "rows that could not be read: 1\n"


def test_an_export_is_read_as_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(
        "id;collected;analyte;value;unit;lln;uln;rt_start;rt_end\n"
        "P1;23.04.2011;TBIL;1,8;mg/dL;0,2;1,2;24.01.2011;09.03.2011\n"
    )
    declared = "--map", "patient=id", "--decimal", ",", "--dates", "%d.%m.%Y"
    done = plot(tmp_path, "", "butterfly", "--labs", "labs.csv", *declared, "-o", "out.svg")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_temporary_folder_is_named(tmp_path: Path, export: Path) -> None:
    """No file may grow beyond 300 kB: the export's own database does."""
    small = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    done = plot(tmp_path, "", "butterfly", "--labs", export, "-o", "out.svg", before=small)
    assert done.returncode == 2
    assert re.fullmatch(r"toxgrade: .+ \(the temporary folder is .+\)\n", done.stderr)
