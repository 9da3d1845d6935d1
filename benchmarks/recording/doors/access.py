"""A service that asks for keys: ``{admin}``, ``{writer}`` and ``{reader}`` are keys made for it."""

from benchmarks.recording.asked import Asked, lab, panel

_GRADE = panel(lab("ALT", "121", "U/L", None, "40"))
_RESULTS = "/v1/studies/trial/patients/KEY1/results"


def _as(who: str, name: str, method: str, path: str, json: object = None) -> Asked:
    return Asked(
        f"{who} {name}", method, path, json, headers={"Authorization": f"Bearer {{{who}}}"}
    )


def _sign_in(name: str, key: str) -> Asked:
    return Asked(name, "POST", "/sign-in", form={"key": key}, headers={"Accept": "text/html"})


REQUESTS = (
    Asked("no key", "POST", "/v1/grade", _GRADE),
    Asked("wrong key", "POST", "/v1/grade", _GRADE, headers={"Authorization": "Bearer nonsense"}),
    Asked("wrong scheme", "POST", "/v1/grade", _GRADE, headers={"Authorization": "Basic eDp5"}),
    Asked("no key for FHIR", "POST", "/fhir/$ctcae-grade", {}),
    Asked("no key for HL7", "POST", "/hl7v2", text="x"),
    Asked("no key for a page", "GET", "/", headers={"Accept": "text/html"}),
    Asked("open without key", "GET", "/cds-services"),
    _as("reader", "grades", "POST", "/v1/grade", _GRADE),
    _as("reader", "stores", "POST", _RESULTS, _GRADE),
    _as("reader", "reads", "GET", "/v1/studies"),
    _as("reader", "of another study", "GET", "/v1/studies/demo/toxicity-table"),
    _as("writer", "stores", "POST", _RESULTS, _GRADE),
    _as("writer", "audits", "GET", "/v1/studies/trial/audit"),
    _as("admin", "audits", "GET", "/v1/studies/trial/patients/KEY1/audit"),
    _as("admin", "creates", "PUT", "/v1/studies/made", {}),
    _as("writer", "creates", "PUT", "/v1/studies/other", {}),
    _sign_in("sign in", "{reader}"),
    Asked("signed in", "GET", "/", headers={"Accept": "text/html"}),
    Asked("signed in, the API", "GET", "/v1/studies"),
    _sign_in("sign in wrongly", "nonsense"),
)
