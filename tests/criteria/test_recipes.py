"""The recipes of ``docs/architecture.md``, tried on a scratch copy: an analyte, and an edition.

Neither needs code. What is red until the recipe is followed to its end is what it lists.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_CHECKS = (
    "tests/validation/test_every_limit.py",
    "tests/criteria/test_reader.py",
    "tests/criteria/test_nci_wording.py",
)
_ANALYTE = """
[[analyte]]
name = "ferritin"
full_name = "Ferritin in serum or plasma"
aliases = ["FERR"]
units = "enzyme"
plausible = { value = ["0", "100000"], lln = ["0", "100"], uln = ["10", "600"] }
loinc = ["2276-4"]
"""
_TERM = """
[[term]]
name = "Ferritin increased"
meddra = "10016393"
soc = "Investigations"
analyte = "ferritin"
grade.1 = { says = ">ULN - 3.0 x ULN", when = "> 1 x ULN" }
grade.2 = { says = ">3.0 x ULN", when = "> 3 x ULN" }
"""
_BOTH_GRADERS = """
import sys, polars, toxgrade
edition, analyte = sys.argv[1:]
labs = {"patient": "P", "collected": "", "analyte": analyte, "value": "130", "unit": "U/L",
        "lln": "10", "uln": "40"}
grades = toxgrade.grade(polars.DataFrame([labs]), edition=edition)["grade"].to_list()
alone = toxgrade.Grader(edition).grade(analyte, "130", "U/L", lln="10", uln="40")
print([one.grade for one in alone], grades)
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return a copy of the package and its tests."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("app", "tests", "docs"):
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _run(scratch: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": f"{scratch / 'app'}:{scratch}"}
    call = [sys.executable, *command]
    return subprocess.run(call, cwd=scratch, env=env, capture_output=True, text=True, check=False)


def _red(scratch: Path) -> set[str]:
    """Return which of ``_CHECKS`` fail."""
    run = _run(scratch, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *_CHECKS)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return set(re.findall(r"^(?:FAILED|ERROR) (\S+\.py)", run.stdout, flags=re.M))


def _recipe(name: str) -> str:
    text = (_ROOT / "docs/architecture.md").read_text("utf-8")
    return text.partition(f"**{name}** (no code).")[2].partition("\n\n")[0]


def _add(path: Path, text: str) -> None:
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_an_analyte(scratch: Path) -> None:
    criteria = scratch / "app/toxgrade/criteria"
    _add(criteria / "analytes.toml", _ANALYTE)
    _add(criteria / "ctcae_4_03.toml", _TERM)
    _add(criteria / "ctcae_terms.csv", "4.03,10016393,Investigations,Ferritin increased,12\n")
    graded = _run(scratch, "-c", _BOTH_GRADERS, "4.03", "ferritin")
    assert graded.stdout == "[2] [2]\n", graded.stderr
    assert _red(scratch) == set(_CHECKS)
    recipe = _recipe("An analyte")
    for listed in ("test_reader.py", "nci_lab_terms.json", "every_limit.csv", "typical.py"):
        assert listed in recipe
    typical = scratch / "tests/grading/typical.py"
    told = typical.read_text("utf-8").replace('"pH":', '"ferritin": ("10", "40"), "pH":')
    typical.write_text(told, "utf-8")
    written = _run(scratch, "-m", "tests.validation.every_limit")
    assert written.returncode == 0, written.stderr
    assert _red(scratch) == set(_CHECKS[1:])


def test_an_edition(scratch: Path) -> None:
    criteria = scratch / "app/toxgrade/criteria"
    sixth = (criteria / "ctcae_6_0.toml").read_text("utf-8")
    named = sixth.replace('name = "6.0"', 'name = "7.0"', 1).replace("CTCAE v6.0", "CTCAE v7.0")
    (criteria / "ctcae_7_0.toml").write_text(named, "utf-8")
    terms = (criteria / "ctcae_terms.csv").read_text("utf-8").splitlines()
    again = [line.replace("6.0", "7.0", 1) for line in terms if line.startswith("6.0,")]
    _add(criteria / "ctcae_terms.csv", "\n".join(again) + "\n")
    graded = _run(scratch, "-c", _BOTH_GRADERS, "7.0", "lipase")
    assert graded.stdout == "[3] [3]\n", graded.stderr
    assert _red(scratch) == set(_CHECKS)
    recipe = _recipe("An edition")
    for listed in ("ctcae_7_0_every_limit.csv", "nci_lab_terms.json", "test_reader.py"):
        assert listed in recipe
    written = _run(scratch, "-m", "tests.validation.every_limit")
    assert written.returncode == 0, written.stderr
    assert _red(scratch) == set(_CHECKS[1:])
