"""A patient's results, events, courses, history, withdrawal and erasure."""

from benchmarks.recording.asked import Asked, get, lab, panel, post, put
from benchmarks.recording.doors.panels import BASELINES, HIGH, LOW

_P1, _P2 = "/v1/studies/default/patients/P1", "/v1/studies/five/patients/P2"
_SENT = panel(
    lab("ALT", 121, "U/L", None, 40, source_id="LAB-7"),
    lab("WBC", "2.8", "K/uL", 4, 10, issued="2011-04-24T10:00:00+02:00", source_id="LAB-8"),
    lab("TBIL", "<0.5", "mg/dL", None, None, "2011-05"),
    baseline=[lab("ALT", 31, "U/L", None, 40, "2011-01-20")],
)


def _wbc(value: str, **more: object) -> dict[str, object]:
    return {"results": [lab("WBC", value, "K/uL", 4, 10, source_id="LAB-8") | more]}


def _delete(name: str, path: str, json: object, **headers: str) -> Asked:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(name, "DELETE", path, json, headers=sent)


_STORE = (
    get("before anything", f"{_P1}/grades"),
    post("stored", f"{_P1}/results", _SENT, key="one", grade="json grades.0.id", early="moment"),
    post("same key", f"{_P1}/results", _SENT, key="one"),
    post("same key for another", f"{_P1}/results", _wbc("3"), key="one"),
    post("odd key", f"{_P1}/results", _wbc("3"), key="x" * 300),
    post("sent again", f"{_P1}/results", _SENT),
    post("older", f"{_P1}/results", _wbc("3.1", issued="2011-04-23T10:00:00+02:00")),
    post("corrected", f"{_P1}/results", _wbc("1.9", status="corrected",
                                             issued="2011-04-25T10:00:00+02:00")),
    post("superseded", f"{_P1}/results", _wbc("2.1", issued="2011-04-26T10:00:00+02:00")),
    post("entered in error", f"{_P1}/results", {"results": [
        lab("TBIL", "<0.5", "mg/dL", None, None, "2011-05", status="entered-in-error")]}),
    post("one result twice", f"{_P1}/results", panel(
        lab("ALT", 1, "U/L", None, 40, source_id="A"),
        lab("ALT", 2, "U/L", None, 40, source_id="A"))),
    post("without a date", f"{_P1}/results", panel(lab("ALT", 1, "U/L", None, 40, None))),
    post("malformed", f"{_P1}/results", panel(lab("ALT", "many", "U/L"), {"value": 3})),
    post("stored edition", f"{_P1}/results", _SENT | {"edition": "5.0"}),
    post("earlier baseline", f"{_P1}/results", {"results": [
        lab("ALT", 60, "U/L", None, 40, "2011-01-23")]}),
    post("course cleared", f"{_P1}/results", {"radiotherapy": None, "results": []}),
    post("course again", f"{_P1}/results", panel()),
    post("odd patient", "/v1/studies/default/patients/Jane%20Doe/results", _SENT),
    post("no such study", "/v1/studies/nowhere/patients/P1/results", _SENT),
    post("every analyte", f"{_P2}/results", panel(*LOW, *HIGH, baseline=BASELINES)),
)  # fmt: skip
_FOLLOW = (
    put("courses", _P1, {"courses": [
        {"start": "2011-01-24", "end": "2011-03-09", "dose_gy": "21", "fractions": 7},
        {"start": "2012-01-09", "status": "in-progress"}],
        "last_contact": "2012-05-02", "vital_status": "alive"}),
    put("courses overlap", _P1, {"courses": [
        {"start": "2011-01-24", "end": "2011-03-09"}, {"start": "2011-02-01"}]}),
    put("dose too high", _P1, {"courses": [{"start": "2011-01-24", "dose_gy": 900}]}),
    put("vital status alone", _P1, {"vital_status": "dead"}),
    put("cause of no death", _P1, {"last_contact": "2012-05-02", "vital_status": "alive",
                                   "cause": "tumour"}),
    put("dead too early", _P1, {"last_contact": "2011-01-01", "vital_status": "dead"}),
    put("birth year", _P1, {"birth_year": 1200, "sex": "none"}),
    post("after the second course", f"{_P1}/results", {"results": [
        lab("ALT", 250, "U/L", None, 40, "2012-02-01")]}),
    put("dead", _P2, {"last_contact": "2013-01-01", "vital_status": "dead", "cause": "liver"}),
    post("after death", f"{_P2}/results", {"results": [
        lab("ALT", 1, "U/L", None, 4, "2013-02-01")]}),
    get("patient", _P1, tag="header ETag"),
    Asked("if unchanged", "PUT", _P1, {"sex": "female"}, headers={"If-Match": "{tag}"}),
    Asked("if unchanged, late", "PUT", _P1, {"sex": "male"}, headers={"If-Match": "{tag}"}),
    get("patient nobody knows", "/v1/studies/default/patients/P999"),
    get("patient nobody knows, toxicity", "/v1/studies/default/patients/P999/toxicity"),
)  # fmt: skip
_EVENTS = (
    post("nausea", f"{_P1}/events", {"term": "Nausea", "grade": 2, "onset": "2011-02-14",
                                     "attribution": "related", "source_id": "E1"}, key="event"),
    post("nausea corrected", f"{_P1}/events", {"term": "Nausea", "grade": 1, "onset": "2011-02-14",
                                               "resolved": "2011-03-01", "source_id": "E1"}),
    post("event late", f"{_P1}/events", {"term": "Fatigue", "grade": 3, "onset": "2011-09"}),
    post("ascites", f"{_P1}/events", {"term": "Ascites", "grade": 0, "onset": "2011-04-20"}),
    post("event withdrawn", f"{_P1}/events", {"term": "Fatigue", "grade": 3, "onset": "2011-09",
                                              "status": "entered-in-error"}),
    post("grade it has not", f"{_P1}/events", {"term": "Nausea", "grade": 5,
                                              "onset": "2011-02-14"}),
    post("term nobody has", f"{_P1}/events", {"term": "Hiccough", "grade": 1, "onset": "2011"}),
    post("event malformed", f"{_P1}/events", {"term": "Nausea", "grade": "2", "attribution": "me"}),
    post("event ends early", f"{_P1}/events", {"term": "Nausea", "grade": 1, "onset": "2011-02-14",
                                               "resolved": "2011-01-01"}),
    get("events", f"{_P1}/events"),
)  # fmt: skip
_READ = (
    get("grades", f"{_P1}/grades"),
    get("grades by two", f"{_P1}/grades?limit=2", following="json next"),
    get("grades, next", f"{_P1}/grades?limit=2&cursor={{following}}"),
    get("grades, odd cursor", f"{_P1}/grades?cursor=zzz"),
    get("all grades", f"{_P1}/grades?include_superseded=true&limit=1000"),
    get("grades of a term", "/v1/studies/demo/patients/P01/grades?phase=acute&min_grade=1"),
    get("grades by name", "/v1/studies/demo/patients/P13/grades?term=Platelet%20count%20decreased"),
    get("grades as of then", f"{_P1}/grades?as_of={{early}}"),
    get("grades as of no time", f"{_P1}/grades?as_of=yesterday"),
    get("unknown parameter", f"{_P1}/grades?colour=red"),
    get("odd phase", f"{_P1}/grades?phase=middle&min_grade=9&limit=0"),
    get("toxicity", f"{_P1}/toxicity"),
    get("toxicity by 5.0", f"{_P2}/toxicity"),
    get("toxicity of the demo", "/v1/studies/demo/patients/P05/toxicity"),
    get("history", f"{_P1}/grades/{{grade}}/history"),
    get("history of none", f"{_P1}/grades/999999/history"),
    post("withdrawal", f"{_P1}/grades/{{grade}}/withdrawal", {"reason": "of another patient"}),
    post("withdrawal again", f"{_P1}/grades/{{grade}}/withdrawal", {"reason": "sent twice"}),
    post("withdrawal without reason", f"{_P1}/grades/{{grade}}/withdrawal", {}),
    get("history afterwards", f"{_P1}/grades/{{grade}}/history"),
)  # fmt: skip
_P3 = "/v1/studies/default/patients/P3"
_ERASE = (
    post("to be erased", f"{_P3}/results", _SENT),
    _delete("erased without tag", _P3, {"reason": "asked to be forgotten"}),
    _delete("erased with an old tag", _P3, {"reason": "asked to be forgotten"}, If_Match='"old"'),
    get("to be erased, read", _P3, tag="header ETag"),
    _delete("erased", _P3, {"reason": "asked to be forgotten"}, If_Match="{tag}"),
    get("erased, read", f"{_P3}/grades"),
    post("erased, sent again", f"{_P3}/results", _SENT),
    get("audit of the study", "/v1/studies/default/audit?limit=1000"),
    get("audit by two", "/v1/studies/default/audit?limit=2&cursor=3"),
    get("audit of a patient", f"{_P1}/audit"),
)
REQUESTS = (*_STORE, *_FOLLOW, *_EVENTS, *_READ, *_ERASE)
