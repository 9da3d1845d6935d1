"""The synthetic cohort's grades, patient by patient, are those its makers worked out."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.load import load_demo
from app.settings import Settings
from tests.conftest import NewDatabase, served

_EXPECTED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "table2_expected.json").read_text(encoding="utf-8")
)
_SHORT = {
    "White blood cell decreased": "WBC",
    "Platelet count decreased": "PLT",
    "Blood bilirubin increased": "TBIL",
    "Alanine aminotransferase increased": "ALT",
    "Aspartate aminotransferase increased": "AST",
    "Alkaline phosphatase increased": "ALP",
    "GGT increased": "GGT",
    "Hypoalbuminemia": "ALB",
}
_ENZYMES = ("ALT", "AST", "ALP", "GGT")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def demo(request: pytest.FixtureRequest) -> Any:
    new: NewDatabase = request.getfixturevalue(f"new_{request.param}")
    url = new()
    load_demo(url)
    load_demo(url)  # a second start changes nothing
    with served(Settings(database_url=url, auth="off")) as client:
        yield client


def _worst(client: httpx.Client, patient: str) -> dict[str, dict[str, int]]:
    """Grades above 0 as the expected file lists them: by window and short name."""
    answer = client.get(f"/v1/studies/demo/patients/{patient}/toxicity").json()
    found: dict[str, dict[str, int]] = {"baseline": {}, "acute": {}, "late": {}}
    fields = {"baseline": "baseline_grade", "acute": "worst_acute", "late": "worst_late"}
    for row in answer["summary"]:
        for window, field in fields.items():
            if row["term"] in _SHORT and row[field]:
                found[window][_SHORT[row["term"]]] = row[field]
    for grades in found.values():
        if enzymes := [grades[name] for name in _ENZYMES if name in grades]:
            grades["ENZ"] = max(enzymes)
    return found


def test_the_study_is_marked_synthetic(demo: httpx.Client) -> None:
    studies = {s["study"]: s["synthetic"] for s in demo.get("/v1/studies").json()["studies"]}
    assert studies == {"default": False, "demo": True}


def test_every_patient_is_there(demo: httpx.Client) -> None:
    patients = demo.get("/v1/studies/demo/patients").json()["patients"]
    assert [p["patient"] for p in patients] == sorted(_EXPECTED["per_patient"])


@pytest.mark.parametrize("patient", sorted(_EXPECTED["per_patient"]))
def test_baseline_acute_and_late_grades(demo: httpx.Client, patient: str) -> None:
    expected = _EXPECTED["per_patient"][patient]
    laboratory = {*_SHORT.values(), "ENZ"}
    windows = {
        window: {name: n for name, n in expected[window].items() if name in laboratory}
        for window in ("baseline", "acute", "late")
    }
    assert _worst(demo, patient) == windows


def test_every_laboratory_row_is_graded_once(demo: httpx.Client) -> None:
    """Of 808 rows one repeats another exactly and one is superseded by its correction."""
    current, ungraded = 0, []
    for patient in _EXPECTED["per_patient"]:
        answer = demo.get(f"/v1/studies/demo/patients/{patient}/grades?limit=1000").json()
        assert answer["next"] is None
        current += sum(1 for grade in answer["grades"] if grade["term"] != "Leukocytosis")
        ungraded += [(patient, g["analyte"], g["collected"]) for g in answer["grades"]
                     if g["grade"] is None]  # fmt: skip
    assert current == 808 - 2
    assert ungraded == [
        (patient, analyte, day)
        for patient, results in _EXPECTED["ungradable"].items()
        for analyte, day in results
    ]


def test_a_superseded_result_stays_readable(demo: httpx.Client) -> None:
    path = "/v1/studies/demo/patients/P15/grades"
    query = "term=White blood cell decreased&include_superseded=true&limit=1000"
    grades = demo.get(f"{path}?{query}").json()["grades"]
    day = [(g["value"], g["status"], g["grade"]) for g in grades if g["collected"] == "2005-09-17"]
    assert day == [("1.5", "superseded", None), ("5.1", "corrected", 0)]
