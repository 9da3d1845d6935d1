"""``POST /v1/grade``, the rules as data: every analyte, edition, reading and kind of fault."""

from benchmarks.recording.asked import Asked, get, lab, panel, post, raw
from benchmarks.recording.doors.panels import BASELINES, HIGH, LOW

_PATH = "/v1/grade"
_ALT = lab("ALT", "121", "U/L", None, "40")
_TBIL = lab("TBIL", "1.8", "mg/dL", "0.2", "1.2", source_id="LAB-1")
_BEFORE = lab("ALT", "31", "U/L", None, "40", "2011-01-20")
_READINGS = {
    "4.03": {"hypokalemia": "grade-1", "hyperuricemia": "grade-1", "fibrinogen": "lln-only",
             "hypertriglyceridemia": "inclusive", "inr": "without-baseline",
             "creatinine": "uln-only", "reference-range": "range-wins"},
    "5.0": {"hypokalemia": "grade-1", "hyperuricemia": "grade-1", "hyponatremia": "grade-2",
            "fibrinogen": "baseline-abnormal", "pancreatic-enzymes": "asymptomatic",
            "baseline-multiple-ends": "exclusive", "hemoglobin-increased": "above-baseline"},
    "6.0": {"creatinine-clearance": "rounded", "hyponatremia": "grade-2", "creatinine": "uln-only",
            "baseline-multiple-ends": "exclusive", "pancreatic-enzymes": "asymptomatic"},
}  # fmt: skip


def _grade(name: str, *results: object, **more: object) -> Asked:
    return post(name, _PATH, panel(*results, **more))


def _one(name: str, *value: object, **more: object) -> Asked:
    """Return a request with one value, taken after the course, and the ALT before it."""
    analyte, *rest = value
    given = lab(str(analyte), *rest, **more)  # type: ignore[arg-type]
    return post(name, _PATH, panel(given, baseline=[_BEFORE]))


_EDITIONS = tuple(
    asked
    for edition, readings in _READINGS.items()
    for asked in (
        _grade(f"all {edition}", *LOW, *HIGH, baseline=BASELINES, edition=edition),
        _grade(f"all {edition} without baseline", *LOW, *HIGH, edition=edition),
        _grade(f"all {edition} other readings", *LOW, *HIGH, baseline=BASELINES, edition=edition,
               interpretations=readings),
    )
)  # fmt: skip
_SHAPES = (
    _grade("readme", _TBIL, baseline=[lab("TBIL", "0.9", "mg/dL", "0.2", "1.2", "2011-01-20")]),
    post("only results", _PATH, {"results": [_ALT]}),
    post("no results", _PATH, {"results": []}),
    post("radiotherapy null", _PATH, {"radiotherapy": None, "results": [_ALT]}),
    post("in progress", _PATH, {"radiotherapy": {"start": "2011-01-24", "status": "in-progress"},
                                "results": [_ALT]}),
    post("end alone", _PATH, {"radiotherapy": {"end": "2011-03-09"}, "results": [_ALT, _BEFORE]}),
    _grade("edition 4.0", _ALT, edition="4.0"),
    *(_grade(f"window {name}", _ALT, lab("ALT", 300, "U/L", None, 40, "2011-06-09"), window=name)
      for name in ("paper", "rtog90", "end90")),
    _grade("window in days", _ALT, window={"anchor": "start", "days": 60}),
    _grade("window in months", _ALT, window={"anchor": "end", "months": 1}),
    _grade("several baselines", _ALT, lab("ALT", 35, "U/L", None, 40, "2011-01-22"),
           baseline=[_BEFORE, lab("ALT", 90, "U/L", None, 40, "2011-01-10")]),
    _grade("baseline without date", _ALT, baseline=[lab("ALT", 31, "U/L", None, 40, None)]),
    _one("json number", "ALT", 121.50, "U/L", None, 40),
    *(_one(f"comparator {sign}", "ALT", f"{sign}121", "U/L", None, "40")
      for sign in ("<", "<=", ">", ">=")),
    _one("other unit", "bilirubin", "30.8", "umol/L", "3.4", "20.5"),
    _one("limit unit", "bilirubin", "30.8", "umol/L", "0.2", "1.2", limit_unit="mg/dL"),
    _one("odd spelling", "platelets", "45", "x10E3/uL", "150", "400"),
    _one("katal", "ALT", "2.5", "µkat/L", None, "0.67"),
    _one("loinc", "1975-2", "1.8", "mg/dL", "0.2", "1.2"),
    _one("refused loinc", "1968-7", "1.8", "mg/dL", "0.2", "1.2"),
    _one("unknown analyte", "troponin", "1.8", "ng/mL"),
    _one("unknown unit", "ALT", "121", "stone"),
    _one("missing unit", "WBC", "2.8"),
    _one("missing value", "ALT", None, "U/L"),
    _one("missing limit", "ALT", "121", "U/L"),
    _one("implausible value", "potassium", "400", "mmol/L", "3.5", "5.1"),
    _one("implausible limit", "ALT", "121", "U/L", None, "4000"),
    _one("binary noise", "ALT", "120.00000000000001", "U/L", None, "40"),
    *(_one(f"status {status}", "ALT", "121", "U/L", None, "40", status=status)
      for status in ("amended", "preliminary", "cancelled", "superseded", "entered-in-error")),
    *(_one(f"collected {day}", "ALT", "121", "U/L", None, "40", day)
      for day in ("2011-04-23T23:45+02:00", "2011-04", "2011", "2011-03-09", "2011-01-24")),
)  # fmt: skip
_FAULTS = (
    _one("text for a number", "ALT", "about 9", "U/L", None, "40"),
    _one("negative", "ALT", "-3", "U/L", None, "40"),
    _one("bool for a number", "ALT", True, "U/L"),
    _one("30 February", "ALT", "121", "U/L", None, "40", "2011-02-30"),
    _one("unknown status", "ALT", "121", "U/L", None, "40", status="done"),
    _one("unknown field", "ALT", "121", "U/L", unti="U/L"),
    _grade("unknown top field", _ALT, editon="5.0"),
    _grade("unknown edition", _ALT, edition="3.0"),
    _grade("unknown window", _ALT, window="half"),
    _grade("window of both", _ALT, window={"anchor": "end", "months": 3, "days": 3}),
    _grade("unknown interpretation", _ALT, interpretations={"weather": "fine"}),
    _grade("unknown reading", _ALT, interpretations={"hypokalemia": "grade-9"}),
    _grade("late baseline", _ALT, baseline=[lab("ALT", 31, "U/L", None, 40, "2011-02-20")]),
    post("reversed course", _PATH, panel(_ALT) | {"radiotherapy": {"start": "2011-03-09",
                                                                   "end": "2011-01-24"}}),
    post("empty course", _PATH, panel(_ALT) | {"radiotherapy": {}}),
    post("a list", _PATH, [_ALT]),
    post("results not a list", _PATH, {"results": _ALT}),
    post("results missing", _PATH, {}),
    post("too many", _PATH, panel(*[_ALT] * 5001)),
    post("a text where a value belongs", _PATH, {"results": ["ALT", None, 3]}),
    post("unknown parameter", f"{_PATH}?edition=5.0", panel(_ALT)),
    raw("not JSON", _PATH, '{"results": [', "application/json"),
    raw("empty", _PATH, "", "application/json"),
    raw("doubled key", _PATH, '{"results": [], "results": []}', "application/json"),
    raw("not a number", _PATH, '{"results": [{"analyte": "ALT", "value": NaN}]}',
        "application/json"),
    raw("too deep", _PATH, "[" * 3000 + "]" * 3000, "application/json"),
    raw("not UTF-8", _PATH, b'{"results": ["\xff"]}', "application/json"),
    raw("another media type", _PATH, '{"results": []}', "text/plain"),
    raw("no media type", _PATH, '{"results": []}', None),
    raw("a media type of JSON", _PATH, '{"results": []}', "application/vnd.x+json; charset=utf-8"),
    raw("exact digits", _PATH, '{"results": [{"analyte": "ALT", "value": 1.8000, "unit": "U/L",'
        ' "uln": 4e1, "collected": "2011-04-23"}]}', "application/json"),
)  # fmt: skip
_RULES = (
    *(get(f"criteria {name}", f"/v1/criteria?edition={name}") for name in ("4.03", "5.0", "6.0")),
    get("criteria unknown", "/v1/criteria?edition=7"),
    get("criteria of 4.03 and 6.0", "/v1/criteria/compare?from=4.03&to=6.0"),
    get("criteria of 5.0 and 6.0", "/v1/criteria/compare?from=5.0&to=6.0"),
    get("criteria compared with none", "/v1/criteria/compare?from=4.03&to=9"),
    get("analytes", "/v1/analytes"),
)
REQUESTS = (*_EDITIONS, *_SHAPES, *_FAULTS, *_RULES)
