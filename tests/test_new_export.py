"""The page of a new export: its commands are run on its files, and answer what it prints."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

_PAGE = (Path(__file__).parents[1] / "docs" / "new-export.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, flags=re.S | re.M)


def _run(command: str, folder: Path) -> str:
    programs = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-euc", command.replace(".venv/bin/", "")], cwd=folder, env=os.environ | programs,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_export_is_graded_at_the_second_command(tmp_path: Path) -> None:
    labs, patients, worst = _blocks("csv")
    look, grade = _blocks("sh")
    (tmp_path / "labor.csv").write_text(labs, "utf-8")
    (tmp_path / "patienten.csv").write_text(patients, "utf-8")
    told = _run(look, tmp_path).split("\n")
    (printed,) = _blocks("text")
    assert [line for line in printed.splitlines() if line not in told] == []
    assert (tmp_path / "labor.toml").read_text("utf-8") == _blocks("toml")[0]
    _run(grade, tmp_path)
    with (tmp_path / "worst.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row for row in csv.DictReader(worst.splitlines()) if row not in found] == []
