"""``toxgrade report``."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.cli.program import toxgrade
from toxgrade.cohort.table_files import table_csv, table_html
from toxgrade.cohort.table_report import StudyTableReport
from toxgrade.demo import load_demo
from toxgrade.grading.rules import Rules
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.studies import save_study


def test_a_report_is_written_as_its_suffix_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    upgrade(url)
    load_demo(url)
    for name in ("table.html", "table.csv", "table.json"):
        done = toxgrade("report", "demo", "-o", name, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    table = msgspec.json.decode((tmp_path / "table.json").read_bytes(), type=StudyTableReport)
    assert (table.any_toxicity.n, table.synthetic) == (13, True)
    assert (tmp_path / "table.csv").read_text() == table_csv(table)
    assert (tmp_path / "table.html").read_text() == table_html(table)
    shown = toxgrade("report", "demo", "-o", "-", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert shown.stdout == table_csv(table)
    late = toxgrade(
        "report", "demo", "-o", "late.json", "--phase", "late", cwd=tmp_path,
        TOXGRADE_DATABASE_URL=url,
    )  # fmt: skip
    assert late.returncode == 0
    assert json.loads((tmp_path / "late.json").read_text())["any_toxicity"]["n"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none", "-o", "t.csv"], "there is no such study"),
        (["demo", "-o", "t.pdf"], "the report is .html, .csv, .json"),
        (
            ["demo", "-o", "t.csv", "--phase", "early"],
            "toxgrade: --phase: invalid choice: 'early' (choose",
        ),
        (["demo", "-o", "nowhere/t.csv"], "No such file or directory"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    refused = toxgrade("report", *arguments, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    if arguments[0] == "none":
        (tmp_path / "empty.db").touch()
        refused = toxgrade("report", *arguments, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
        assert "not migrated (toxgrade db upgrade)" in refused.stderr
    upgrade(url)
    with transaction(url) as opened:
        save_study(opened, "demo", Rules(), synthetic=True)
    refused = toxgrade("report", *arguments, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
