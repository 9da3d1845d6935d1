"""ALBI, the values of a day and Child-Pugh: each rule with a value below, on, above its limit."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import httpx
import pytest
from msgspec.structs import replace

from tests.server.api.panels import baseline, panel, value
from toxgrade.cohort.child_pugh import ChildPugh, clinical_points
from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.liver_course import liver_course
from toxgrade.cohort.liver_day import Day, albi_grade
from toxgrade.criteria.reader import load
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules

_GRADER = Graders(load()).for_rules(Rules())
_COURSE = Course(date(2011, 1, 24), date(2011, 3, 9))


def result(analyte: str, number: str, unit: str, uln: str | None, day: str) -> LabResult:
    return LabResult(
        analyte, read_value(number), unit, uln=Decimal(uln) if uln else None,
        collected=read_collected(day),
    )  # fmt: skip


def days(*results: LabResult) -> list[Day]:
    return list(liver_course(results, (_COURSE,), 0, _GRADER, PRESETS["paper"]).dated)


def x_uln(found: Day) -> dict[str, Fraction | None]:
    return {name: one.exact for name, one in found.x_uln.items() if name != "albumin"}


@pytest.mark.parametrize(
    ("bilirubin", "bilirubin_unit", "albumin", "albumin_unit", "score", "grade"),
    [
        # 0.66 x log10(10) - 0.085 x 38.4 = 0.66 - 3.264; 38.3 and 38.2: -2.5955, -2.587
        ("10", "umol/L", "38.4", "g/L", -2.604, 1),
        ("10", "umol/L", "38.3", "g/L", -2.5955, 2),
        # 0.66 x log10(100) - 0.085 x 31.9 = 1.32 - 2.7115
        ("100", "umol/L", "31.9", "g/L", -1.3915, 2),
        ("100", "umol/L", "31.8", "g/L", -1.383, 3),
        # 1 mg/dL counts as 17.1 umol/L: 0.66 x log10(17.1) = 0.81377
        ("1", "mg/dL", "4.0", "g/dL", -2.5862, 2),
    ],
)
def test_albi(
    bilirubin: str, bilirubin_unit: str, albumin: str, albumin_unit: str, score: float, grade: int
) -> None:
    (found,) = days(
        result("bilirubin", bilirubin, bilirubin_unit, None, "2011-04-01"),
        result("albumin", albumin, albumin_unit, None, "2011-04-01"),
    )
    assert found.albi is not None
    assert found.albi == pytest.approx(score, abs=5e-5)
    assert albi_grade(found.albi) == grade


@pytest.mark.parametrize(("score", "grade"), [(-2.6, 1), (-2.59, 2), (-1.39, 2), (-1.38, 3)])
def test_albi_grades_include_their_limit(score: float, grade: int) -> None:
    assert albi_grade(score) == grade


def test_no_score_without_plain_numbers_of_one_day() -> None:
    bilirubin = result("bilirubin", "<0.2", "mg/dL", "1.2", "2011-04-01")
    albumin = result("albumin", "40", "g/L", None, "2011-04-01")
    assert [d.albi for d in days(bilirubin, albumin)] == [None]
    zero = result("bilirubin", "0", "mg/dL", "1.2", "2011-04-01")
    assert [d.albi for d in days(zero, albumin)] == [None]
    next_day = result("bilirubin", "1", "mg/dL", "1.2", "2011-04-02")
    assert [d.albi for d in days(albumin, next_day)] == [None, None]


def test_the_worst_of_a_day_counts() -> None:
    (found,) = days(
        result("ALT", "100", "U/L", "40", "2011-04-01"),
        result("ALT", ">200", "U/L", "40", "2011-04-01"),
        result("albumin", "40", "g/L", None, "2011-04-01"),
        result("albumin", "30", "g/L", None, "2011-04-01"),
    )
    assert found.x_uln["ALT"].above(5).holds, ">200 is above 5 x ULN"
    assert found.plain == {"ALT": 100, "albumin": 30}


@pytest.mark.parametrize(
    "other",
    [
        replace(result("ALT", "900", "U/L", "40", "2011-04-01"), status="cancelled"),
        replace(result("ALT", "900", "U/L", "40", "2011-04-01"), status="preliminary"),
        result("ALT", "900", "furlongs", "40", "2011-04-01"),
        result("WBC", "90", "10*9/L", "10", "2011-04-01"),
        result("lead", "900", "U/L", "40", "2011-04-01"),
    ],
)
def test_what_is_no_liver_value_of_a_day(other: LabResult) -> None:
    assert days(other) == []
    (found,) = days(other, result("ALT", "100", "U/L", "40", "2011-04-01"))
    assert x_uln(found) == {"ALT": Fraction(5, 2)}


def ascites_of(grade: int, onset: str, resolved: str | None = None) -> ClinicalEvent:
    ended = date.fromisoformat(resolved) if resolved else None
    return ClinicalEvent("Ascites", grade, read_collected(onset), ended)


@pytest.mark.parametrize(
    ("analyte", "unit", "points"),
    [
        (
            "bilirubin",
            "mg/dL",
            {"1.99": 1, "2": 2, "3": 2, "3.01": 3, "<2": 1, ">3": 3, ">=3": None},
        ),
        ("bilirubin", "umol/L", {"33.9": 1, "34": 2, "51": 2, "51.1": 3}),
        (
            "albumin",
            "g/L",
            {"35.1": 1, "35": 2, "28": 2, "27.9": 3, "<28": 3, ">35": 1, "<35": None},
        ),
        ("albumin", "g/dL", {"3.51": 1, "3.5": 2, "2.8": 2, "2.79": 3}),
    ],
)
def test_child_pugh_points_of_the_laboratory(
    analyte: str, unit: str, points: dict[str, int | None]
) -> None:
    for number, expected in points.items():
        (found,) = days(result(analyte, number, unit, None, "2011-04-01"))
        assert found.points.get(analyte) == expected, number


@pytest.mark.parametrize(
    ("recorded", "points"),
    [
        ([], {}),
        ([ascites_of(0, "2011-01-01")], {"ascites": 1}),
        ([ascites_of(1, "2011-01-01")], {"ascites": 2}),
        ([ascites_of(2, "2011-01-01")], {"ascites": 3}),
        ([ascites_of(2, "2011-04-02")], {}),  # not yet
        ([ascites_of(2, "2011-01-01", "2011-04-01")], {"ascites": 1}),
        ([ascites_of(2, "2011-04")], {}),  # some day of April
        ([ClinicalEvent("Encephalopathy", 2, read_collected("2011-01-01"), None)],
         {"encephalopathy": 2}),
        ([ClinicalEvent("Encephalopathy", 3, read_collected("2011-01-01"), None)],
         {"encephalopathy": 3}),
    ],
)  # fmt: skip
def test_child_pugh_points_of_the_clinician(
    recorded: list[ClinicalEvent], points: dict[str, int]
) -> None:
    assert clinical_points(recorded, date(2011, 4, 1)) == points


@pytest.mark.parametrize(
    ("bilirubin", "albumin", "inr", "ascites", "score", "group"),
    [(1, 1, 1, 1, 5, "A"), (2, 1, 1, 1, 6, "A"), (2, 2, 1, 1, 7, "B"), (3, 3, 1, 1, 9, "B"),
     (3, 3, 2, 1, 10, "C"), (3, 3, 3, 3, 13, "C")],
)  # fmt: skip
def test_child_pugh(
    bilirubin: int, albumin: int, inr: int, ascites: int, score: int, group: str
) -> None:
    points = {"bilirubin": bilirubin, "albumin": albumin, "INR": inr, "ascites": ascites}
    found = ChildPugh({**points, "encephalopathy": 1})
    assert (found.score, found.group) == (score, group)
    assert ChildPugh(points).score is None
    assert ChildPugh(points).needs == ["encephalopathy"]


def test_over_http_what_is_missing_is_named(api: httpx.Client) -> None:
    path = "/v1/studies/default/patients/P1"
    albumin = value(analyte="albumin", value=40, unit="g/L", lln=35, uln=52, source_id="LAB-2")
    assert api.post(
        f"{path}/results", json=panel(value(), albumin, baseline=[baseline()])
    ).is_success
    answer = api.get(f"{path}/toxicity").json()["liver_safety"]
    assert answer["child_pugh"] == {
        "scores": [], "incomplete": "incomplete, needs INR, ascites, encephalopathy",
    }  # fmt: skip
    assert [one["date"] for one in answer["albi"]] == ["2011-04-23"]
    none = {"term": "Ascites", "grade": 0, "onset": "2011-01-01"}
    assert api.post(f"{path}/events", json=none).status_code == 201
    study = api.get("/v1/studies/default/liver-safety?within_days=30").json()
    (patient,) = study["patients"]
    assert patient["child_pugh"]["incomplete"] == "incomplete, needs INR, encephalopathy"
    assert study["within_days"] == 30
    inr = value(analyte="INR", value="1.8", unit="{INR}", lln=None, uln=1.2, source_id="LAB-3")
    assert api.post(f"{path}/results", json=panel(inr)).is_success
    none["term"] = "Encephalopathy"
    assert api.post(f"{path}/events", json=none).status_code == 201
    (scored,) = api.get(f"{path}/toxicity").json()["liver_safety"]["child_pugh"]["scores"]
    assert (scored["date"], scored["score"], scored["class"]) == ("2011-04-23", 6, "A")
    assert api.get("/v1/studies/default/liver-safety?within_days=31").status_code == 422
