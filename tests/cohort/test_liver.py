"""Liver safety: each rule with a value below, on and above its limit."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import httpx
import pytest
from msgspec.structs import replace

from tests.server.api.panels import baseline, panel, value
from toxgrade.cohort.liver import liver_safety
from toxgrade.cohort.liver_day import (
    ChildPugh,
    Day,
    Recorded,
    albi_grade,
    clinical_points,
    liver_days,
)
from toxgrade.criteria.reader import load
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import Course, LabResult, Phase
from toxgrade.grading.rules import Graders, Rules

_GRADER = Graders(load()).for_rules(Rules())
_COURSE = Course(date(2011, 1, 24), date(2011, 3, 9))


def result(analyte: str, number: str, unit: str, uln: str | None, day: str) -> LabResult:
    return LabResult(
        analyte, read_value(number), unit, uln=Decimal(uln) if uln else None,
        collected=read_collected(day),
    )  # fmt: skip


def day(at: str, x_uln: dict[str, str], phase: Phase = "acute") -> Day:
    multiples = {name: Fraction(multiple) for name, multiple in x_uln.items()}
    return Day(date.fromisoformat(at), phase, {}, multiples, {})


def days(*results: LabResult) -> list[Day]:
    return liver_days(results, (_COURSE,), _GRADER, PRESETS["paper"])


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
    assert found.x_uln == {"ALT": 5}
    assert found.values == {"ALT": 100, "albumin": 30}


@pytest.mark.parametrize(
    "other",
    [
        replace(result("ALT", "900", "U/L", "40", "2011-04-01"), status="cancelled"),
        replace(result("ALT", "900", "U/L", "40", "2011-04-01"), status="preliminary"),
        result("ALT", "<900", "U/L", "40", "2011-04-01"),  # it may be any lower number
        result("ALT", "900", "U/L", "40", "2011-04"),  # on which day?
        result("ALT", "900", "furlongs", "40", "2011-04-01"),
        result("WBC", "90", "10*9/L", "10", "2011-04-01"),
        result("lead", "900", "U/L", "40", "2011-04-01"),
    ],
)
def test_what_is_no_liver_value_of_a_day(other: LabResult) -> None:
    assert days(other) == []
    (found,) = days(other, result("ALT", "100", "U/L", "40", "2011-04-01"))
    assert found.x_uln == {"ALT": Fraction(5, 2)}


@pytest.mark.parametrize(
    ("x_uln", "named"),
    [
        ({"ALT": "3", "bilirubin": "2", "ALP": "1.99"}, "hys_law"),
        ({"AST": "3", "bilirubin": "2", "ALP": "1.99"}, "hys_law"),
        ({"ALT": "2.99", "AST": "2.99", "bilirubin": "2", "ALP": "1"}, None),
        ({"ALT": "3", "bilirubin": "1.99", "ALP": "1"}, None),
        ({"ALT": "3", "bilirubin": "2", "ALP": "2"}, "cholestatic"),
        ({"ALT": "3", "bilirubin": "2"}, "without_alp"),
        ({"bilirubin": "9", "ALP": "1"}, None),
    ],
)
def test_hys_law_on_one_day(x_uln: dict[str, str], named: str | None) -> None:
    safety = liver_safety([day("2011-04-01", x_uln)])
    lists = {name: getattr(safety, name) for name in ("hys_law", "cholestatic", "without_alp")}
    assert [name for name, found in lists.items() if found] == ([named] if named else [])
    assert not liver_safety([day("2011-01-20", x_uln, "pre_treatment")]).hys_law


@pytest.mark.parametrize(
    ("within", "bilirubin_day"), [(0, None), (19, None), (20, "2011-04-21"), (30, "2011-04-21")]
)
def test_hys_law_within_days(within: int, bilirubin_day: str | None) -> None:
    seen = [
        day("2011-04-01", {"ALT": "4", "ALP": "1"}),
        day("2011-04-21", {"bilirubin": "2.5", "ALP": "1.5"}),
    ]
    found = liver_safety(seen, within_days=within).hys_law
    assert [one.bilirubin_day.day.isoformat() for one in found] == (
        [bilirubin_day] if bilirubin_day else []
    )
    between = day("2011-04-10", {"ALP": "2"})
    safety = liver_safety([seen[0], between, seen[1]], within_days=within)
    assert not safety.hys_law, "ALP rose between the two"
    assert len(safety.cholestatic) == (1 if bilirubin_day else 0)


@pytest.mark.parametrize(
    ("before", "after", "met"),
    [
        ("1", "5", False),
        ("1", "5.01", True),
        ("5", "5.01", True),
        ("5.01", "20", False),
        ("5.01", "20.01", True),
    ],
)
def test_non_classic_rild_depends_on_the_baseline(before: str, after: str, met: bool) -> None:
    seen = [
        day("2011-01-20", {"AST": before}, "pre_treatment"),
        day("2011-04-01", {"ALT": after}),
    ]
    assert bool(liver_safety(seen).non_classic_rild) is met
    late = [seen[0], day("2011-07-01", {"ALT": after}, "late")]
    assert not liver_safety(late).non_classic_rild


@pytest.mark.parametrize(
    ("x_uln", "ascites", "listed"),
    [
        ({"ALP": "2", "bilirubin": "1.99"}, None, [None]),
        ({"ALP": "2", "bilirubin": "1.99"}, 1, [1]),
        ({"ALP": "2", "bilirubin": "1.99"}, 0, []),  # recorded as absent
        ({"ALP": "1.99", "bilirubin": "1"}, 1, []),
        ({"ALP": "2", "bilirubin": "2"}, 1, []),
        ({"ALP": "2"}, 1, []),  # anicteric cannot be said
    ],
)
def test_classic_rild_asks_for_ascites(
    x_uln: dict[str, str], ascites: int | None, listed: list[int | None]
) -> None:
    recorded = [] if ascites is None else [ascites_of(ascites, "2011-03-20")]
    found = liver_safety([day("2011-04-01", x_uln)], recorded).classic_rild
    assert [one.ascites for one in found] == listed


def ascites_of(grade: int, onset: str, resolved: str | None = None) -> Recorded:
    ended = date.fromisoformat(resolved) if resolved else None
    return Recorded("Ascites", grade, read_collected(onset), ended)


@pytest.mark.parametrize(
    ("analyte", "unit", "points"),
    [
        ("bilirubin", "mg/dL", {"1.99": 1, "2": 2, "3": 2, "3.01": 3}),
        ("bilirubin", "umol/L", {"33.9": 1, "34": 2, "51": 2, "51.1": 3}),
        ("albumin", "g/L", {"35.1": 1, "35": 2, "28": 2, "27.9": 3}),
        ("albumin", "g/dL", {"3.51": 1, "3.5": 2, "2.8": 2, "2.79": 3}),
    ],
)
def test_child_pugh_points_of_the_laboratory(
    analyte: str, unit: str, points: dict[str, int]
) -> None:
    for number, expected in points.items():
        (found,) = days(result(analyte, number, unit, None, "2011-04-01"))
        assert found.points == {analyte: expected}, number


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
        ([Recorded("Encephalopathy", 2, read_collected("2011-01-01"), None)],
         {"encephalopathy": 2}),
        ([Recorded("Encephalopathy", 3, read_collected("2011-01-01"), None)],
         {"encephalopathy": 3}),
    ],
)  # fmt: skip
def test_child_pugh_points_of_the_clinician(
    recorded: list[Recorded], points: dict[str, int]
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


def test_child_pugh_two_above_baseline_is_a_criterion_of_rild() -> None:
    none = [ascites_of(0, "2011-01-01"),
            Recorded("Encephalopathy", 0, read_collected("2011-01-01"), None)]  # fmt: skip
    laboratory = {"bilirubin": 1, "albumin": 1, "INR": 1}
    seen = [
        Day(date(2011, 1, 20), "pre_treatment", {}, {}, laboratory),
        Day(date(2011, 4, 1), "acute", {}, {}, laboratory | {"albumin": 2}),
        Day(date(2011, 5, 1), "acute", {}, {}, laboratory | {"albumin": 3}),
    ]
    found = liver_safety(seen, none).non_classic_rild
    assert [one.day for one in found] == [date(2011, 5, 1)]
    assert not liver_safety(seen).non_classic_rild, "without the clinician's part no score"


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
