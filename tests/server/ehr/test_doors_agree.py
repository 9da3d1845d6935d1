"""The same result by JSON, CSV, FHIR and HL7 v2 has the same grade, phase and reason."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.ehr.oru import message, obx, parsed
from toxgrade.criteria.reader import load
from toxgrade.grading.parse import lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.api.lab_values import LabValue
from toxgrade.server.ehr.hl7v2.report import Site, read_oru
from toxgrade.tabular.ndjson import observation_rows

_RULES = Rules()
_GRADER = Graders(load()).for_rules(_RULES)
_COURSES = (Course(date(2011, 1, 24), date(2011, 3, 9)),)

_NUMBER = st.decimals(0, 500, places=2).map(lambda n: f"{n:f}") | st.decimals(1, 500, places=2).map(
    lambda n: f"{n:f}00000000000002"
)
"""Among them the prints of doubles, such as 1.8000000000000002."""
_TESTS = st.sampled_from(
    [("1975-2", "mg/dL"), ("1742-6", "U/L"), ("1751-7", "g/L"), ("6690-2", "10*9/L"),
     ("777-3", "10*3/uL"), ("2160-0", "umol/L"), ("9999-9", "U/L"), ("1975-2", "furlong")]
)  # fmt: skip
_LABS = st.fixed_dictionaries(
    {
        "test": _TESTS,
        "comparator": st.sampled_from(["", "", "<", "<=", ">", ">="]),
        "number": _NUMBER,
        "lln": _NUMBER | st.none(),
        "uln": _NUMBER | st.none(),
        "day": st.dates(date(2010, 12, 1), date(2011, 12, 31)),
        "status": st.sampled_from(["final", "final", "corrected", "preliminary", "cancelled"]),
        "specimen": st.sampled_from([None, None, "serum", "venous blood", "urine"]),
        "indicator": st.sampled_from([None, None, "N", "H", "HH", "L", "A"]),
    }
)
_STATUS = {"final": "F", "corrected": "C", "preliminary": "P", "cancelled": "X"}


def by_json(lab: dict[str, Any]) -> LabResult:
    code, unit = lab["test"]
    sent = LabValue.model_validate(
        {"analyte": code, "value": lab["comparator"] + lab["number"], "unit": unit,
         "lln": lab["lln"], "uln": lab["uln"], "collected": lab["day"].isoformat(),
         "status": lab["status"], "specimen": lab["specimen"], "indicator": lab["indicator"]}
    )  # fmt: skip
    return sent.result()


def by_csv(lab: dict[str, Any]) -> LabResult:
    code, unit = lab["test"]
    row = {
        "analyte": code, "value": lab["comparator"] + lab["number"], "unit": unit,
        "lln": lab["lln"], "uln": lab["uln"], "limit_unit": None, "status": lab["status"],
        "collected": lab["day"].isoformat(), "baseline": None, "specimen": lab["specimen"],
        "indicator": lab["indicator"],
    }  # fmt: skip
    return lab_result(row)


def by_fhir(lab: dict[str, Any]) -> LabResult:
    code, unit = lab["test"]
    ucum = {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    sides = (("low", lab["lln"]), ("high", lab["uln"]))
    limits = {side: ucum | {"value": number} for side, number in sides if number is not None}
    comparator = {"comparator": lab["comparator"]} if lab["comparator"] else {}
    (row,) = observation_rows(
        {
            "resourceType": "Observation", "status": lab["status"],
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "effectiveDateTime": lab["day"].isoformat(),
            "valueQuantity": ucum | {"value": lab["number"]} | comparator,
            "referenceRange": [limits] if limits else [],
            "specimen": {"display": lab["specimen"]} if lab["specimen"] else {},
            "interpretation": [{"coding": [{"code": lab["indicator"] or "?"}]}],
        },
        _GRADER.names,
    )  # fmt: skip
    return lab_result({"baseline": None} | row)


def by_hl7v2(lab: dict[str, Any], kind: str) -> LabResult:
    code, unit = lab["test"]
    value = lab["comparator"] + lab["number"]
    match lab["lln"], lab["uln"]:
        case None, None:
            limits = ""
        case None, uln:
            limits = f"<{uln}"
        case lln, None:
            limits = f">{lln}"
        case lln, uln:
            limits = f"{lln} - {uln}"
    sent = obx(
        f2=kind, f3=f"{code}^x^LN", f5=f"{lab['comparator']}^{lab['number']}" * (kind == "SN")
        or value, f6=unit, f7=limits, f8=lab["indicator"] or "",
        f11=_STATUS[lab["status"]], f14=f"{lab['day']:%Y%m%d}",
    )  # fmt: skip
    spm = f"SPM|1|||^{lab['specimen']}" if lab["specimen"] else ""
    ((_, result),) = read_oru(parsed(message(sent, spm)), _GRADER.names, Site(), [])[0].results
    return result


def graded(labs: Sequence[LabResult]) -> list[tuple[Any, ...]]:
    entries = grade_patient(labs, _COURSES, _GRADER, _RULES.window)
    return [
        (e.index, e.grade.grade, e.grade.at_least, e.grade.at_most, e.grade.reason, e.grade.flags,
         e.grade.because, e.phase, e.baseline_grade, e.worse_than_baseline)
        for e in entries
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(_LABS, min_size=1, max_size=4))
def test_the_door_does_not_matter(labs: list[dict[str, Any]]) -> None:
    expected = graded([by_json(lab) for lab in labs])
    assert graded([by_csv(lab) for lab in labs]) == expected
    assert graded([by_fhir(lab) for lab in labs]) == expected
    for kind in ("NM", "SN", "ST"):
        assert graded([by_hl7v2(lab, kind) for lab in labs]) == expected
