"""Studies, their rules and reference ranges under ``/v1/studies``."""

from benchmarks.recording.asked import Asked, get, lab, panel, post, put

_TRIAL, _FIVE = "/v1/studies/trial", "/v1/studies/five"
_RANGES = [
    {"analyte": "ALT", "uln": "45", "unit": "U/L", "sex": "male"},
    {"analyte": "ALT", "uln": "34", "unit": "U/L", "sex": "female", "age_from": 18},
    {"analyte": "WBC", "lln": 4, "uln": 10, "unit": "10*9/L", "valid_from": "2010-01-01"},
    {"analyte": "WBC", "lln": 3, "uln": 9, "unit": "10*9/L", "lab": "North"},
]
_ROWS = [
    {"label": "Leukopenia", "terms": ["White blood cell decreased"]},
    {"label": "Transaminases", "with_baseline": True,
     "terms": ["Alanine aminotransferase increased", "Aspartate aminotransferase increased"]},
    {"label": "Nausea", "terms": ["Nausea"]},
]  # fmt: skip
_VALUES = panel(
    lab("ALT", 38, "U/L", collected="2011-04-23"),
    lab("WBC", "2.8", "10*9/L", collected="2011-04-23", lab="North"),
    lab("WBC", "3.5", "10*9/L", collected="2011-04-30"),
)

REQUESTS = (
    get("studies at first", "/v1/studies"),
    put("new study", _TRIAL, {}),
    put("same study", _TRIAL, {"edition": "4.0"}),
    put("new study by 5.0", _FIVE, {
        "edition": "5.0", "window": {"anchor": "end", "months": 6}, "rows": _ROWS,
        "liver_enzymes": ["ALT", "AST"], "interpretations": {"hyponatremia": "grade-2"},
        "implausible": "flag"}),
    put("unknown enzyme", "/v1/studies/x", {"liver_enzymes": ["ALT", "troponin"]}),
    put("unknown term", "/v1/studies/x", {"rows": [{"label": "A", "terms": ["Hiccough"]}]}),
    put("label twice", "/v1/studies/x", {"rows": [_ROWS[0], _ROWS[0]]}),
    put("study's unknown field", "/v1/studies/x", {"windw": "paper"}),
    put("study's odd name", "/v1/studies/a%20b", {}),
    put("implausible what", "/v1/studies/x", {"implausible": "ignore"}),
    get("one study", _FIVE, study_tag="header ETag"),
    Asked("one study unless changed", "PUT", _TRIAL, {"window": "rtog90"},
          headers={"If-Match": '"not-this"'}),
    get("no such study", "/v1/studies/nowhere"),
    put("ranges", f"{_TRIAL}/reference-ranges", {"ranges": _RANGES}),
    get("ranges read", f"{_TRIAL}/reference-ranges"),
    put("ranges refused", f"{_TRIAL}/reference-ranges", {"ranges": [
        {"analyte": "troponin", "uln": 3, "unit": "U/L"}, {"analyte": "ALT", "unit": "stone"},
        {"analyte": "ALT", "uln": 3, "lln": 9, "unit": "U/L"}, {"uln": 3, "age_from": -1}]}),
    put("a woman", f"{_TRIAL}/patients/F1", {"sex": "female", "birth_year": 1950}),
    put("a man", f"{_TRIAL}/patients/M1", {"sex": "male", "birth_year": 1960}),
    post("values of a woman", f"{_TRIAL}/patients/F1/results", _VALUES),
    post("values of a man", f"{_TRIAL}/patients/M1/results", _VALUES),
    post("values of neither", f"{_TRIAL}/patients/N1/results", _VALUES),
    put("other ranges", f"{_TRIAL}/reference-ranges", {"ranges": _RANGES[:3]}),
    get("regraded by ranges", f"{_TRIAL}/patients/M1/grades?include_superseded=true"),
    put("other rules refused", _TRIAL, {"edition": "6.0"}),
    put("other rules regrade", f"{_TRIAL}?regrade=true", {"edition": "6.0"}),
    get("regraded by 6.0", f"{_TRIAL}/patients/F1/grades?include_superseded=true"),
    put("and back", f"{_TRIAL}?regrade=true", {"edition": "4.03"}),
    get("patients of the trial", f"{_TRIAL}/patients"),
    get("patients by two", "/v1/studies/demo/patients?limit=2"),
    get("patients after P05", "/v1/studies/demo/patients?limit=3&cursor=P05"),
    get("patients by none", "/v1/studies/demo/patients?limit=0"),
    get("studies in the end", "/v1/studies"),
)  # fmt: skip
