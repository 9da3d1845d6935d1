"""``toxgrade inspect`` as its users call it."""

import json
from pathlib import Path

import pytest

from tests.cli.program import toxgrade

_LABS = "Nr;Datum;Test;Wert;Einheit\n1;23.04.2011;Kalium;5,2*;mmol/l\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labor.csv").write_text(_LABS)
    return tmp_path


def test_it_tells_what_was_found_and_the_mapping(folder: Path) -> None:
    done = toxgrade("inspect", "labor.csv", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "labor.csv: CSV, UTF-8, semicolons; 1 rows" in done.stdout
    assert 'dates = ["%d.%m.%Y"]  # guess: ' in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["labor.csv"]


def test_all_of_it_for_programs(folder: Path) -> None:
    done = toxgrade("inspect", "labor.csv", "--json", "--mapping", "site.toml", cwd=folder)
    found = json.loads(done.stdout)
    assert found["tests"] == [
        {"text": "Kalium", "cells": 1, "means": "potassium",
         "note": "guess: its name in another language or system"},
    ]  # fmt: skip
    assert (folder / "site.toml").read_text("utf-8") == found["mapping"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["labor.csv", "--mapping", "labor.csv"], "--mapping: expected a file named .toml"),
        (["labor.csv", "nothing.csv"], "nothing.csv: No such file"),
        (["labor.pdf"], "labor.pdf: the kind of file is not known"),
        (["labor.csv", "--preview", "-1"], "--preview: expected a whole number from 0 to 1000"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder: Path, arguments: list[str], says: str) -> None:
    (folder / "labor.pdf").write_bytes(b"%PDF-1.4")
    done = toxgrade("inspect", *arguments, cwd=folder)
    assert (done.returncode, done.stderr.count("\n"), says in done.stderr) == (2, 1, True)
    assert (folder / "labor.csv").read_text() == _LABS


def test_an_export_that_cannot_be_graded_yet_says_what_is_to_be_decided(folder: Path) -> None:
    (folder / "x.csv").write_text("a,b\nfoo,bar\n")
    done = toxgrade("inspect", "x.csv", cwd=folder)
    assert done.returncode == 0
    assert "it cannot be graded yet: " in done.stdout
    assert "to decide: no column seems to be patient" in done.stdout
