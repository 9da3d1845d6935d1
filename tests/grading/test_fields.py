"""One list says what a graded row is: the page is its, and a new column needs one line there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.columns_page import page
from toxgrade.grading.fields import FIELDS, IN_BATCHES, GradedResult, GradeRow

_ROOT = Path(__file__).parents[2]


def test_the_page_of_columns_is_that_of_the_list() -> None:
    written = (_ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    assert written == page(), "python -m benchmarks.columns_page > docs/columns.md"


def test_every_column_says_what_it_holds_and_what_null_means() -> None:
    for name, _, hint, about in FIELDS:
        assert about.holds, name
        is_key = about.table == "" and name in GradeRow.__struct_fields__
        assert is_key or ("None" in str(hint)) == bool(about.null), name


def test_what_a_file_has_is_shown_to_callers_of_the_api_too() -> None:
    assert {field.name for field in IN_BATCHES} <= {*GradedResult.__struct_fields__}


_LINE = """\
    is_severe: Annotated[bool | None, Column(
        "whether it is at least grade 3", "nothing is known of the grade", fhir=(9, "Severe"),
        of_term=True)] = None
    collected_on:"""
_CODE = """\
        row.course = entry.course
        row.is_severe = None if entry.grade.at_least is None else entry.grade.at_least >= 3
"""
_MIGRATION = '''\
"""Whether a grade is severe"""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"


def upgrade() -> None:
    op.add_column("grades", sa.Column("is_severe", sa.Boolean()))
'''
_USE = """
import json
import sys
from decimal import Decimal

from sqlalchemy import select

from toxgrade.criteria.reader import load
from benchmarks.columns_page import page
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders
from toxgrade.server.api import responses
from toxgrade.server.ehr.resources import _components
from toxgrade.server.records.audit_log import audited_transaction
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.engine import snapshot
from toxgrade.server.runtime import MACHINE
from toxgrade.server.records.db.tables import grades
from toxgrade.server.records.grade_queries import GradeFilter, list_grades
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.store import store

url = sys.argv[1]
upgrade(url)
lab = LabResult("ALT", read_value("300"), "U/L", None, Decimal(40),
                collected=read_collected("2011-04-23"), source_id="1")
with audited_transaction(url, "test", "store", "default") as connection:
    sent = Submission("default", "P1", ((("results", 0), lab),), None)
    (new,) = store(connection, sent, Graders(load())).grades
with snapshot(url) as connection:
    faults = [str(remark) for remark in verify(connection, MACHINE.now())]
    stored = connection.scalar(select(grades.c.is_severe))
    (read,), _ = list_grades(connection, "default", "P1", GradeFilter(), 10, None)
described = responses.StoredGradeAnswer.model_json_schema()["properties"]["is_severe"]
components = {one["code"]["coding"][0]["code"]: one for one in _components(read)}
print(json.dumps({
    "answers": [responses.stored(row).is_severe for row in (new, read)], "stored": stored,
    "described": described["description"], "fhir": components["is_severe"]["valueBoolean"],
    "page": "is_severe" in page(), "faults": faults,
}))
"""


def test_a_new_column_needs_a_line_its_code_and_a_migration(tmp_path: Path) -> None:
    """The recipe of CONTRIBUTING.md, in a copy: storage, answers, FHIR, page and audit follow."""
    for name in ("app", "alembic", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=ignored)
    fields = tmp_path / "app" / "toxgrade" / "grading" / "fields.py"
    text = fields.read_text(encoding="utf-8")
    for old, new in (("    collected_on:", _LINE), ("        row.course = entry.course\n", _CODE)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    fields.write_text(text, encoding="utf-8")
    versions = tmp_path / "alembic" / "versions"
    newest = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    (versions / "9999_severe.py").write_text(_MIGRATION.format(newest=newest), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _USE, f"sqlite:///{tmp_path}/new.db"], capture_output=True,
        text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "app")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "answers": [True, True], "stored": True, "fhir": True, "page": True, "faults": [],
        "described": "Whether it is at least grade 3; null: nothing is known of the grade.",
    }  # fmt: skip
