"""A Bundle that is stored: like any results, with history, in both databases."""

from typing import Any

import httpx

from tests.fhir.resources import (
    ENCODER,
    answered,
    bundle,
    coded,
    components,
    derived,
    issues,
    observation,
    parameters,
    post,
    procedure,
    quantity,
)

P1 = "/v1/studies/default/patients/P1"


def keep(*resources: dict[str, Any], **more: object) -> dict[str, Any]:
    return parameters(bundle(*resources), persist=True, patient="P1", **more)


def grades(api: httpx.Client, **query: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{P1}/grades", params=query).json()["grades"]
    return found


def test_stored_as_by_json(api: httpx.Client) -> None:
    (found,) = derived(answered(api, keep(procedure(), observation())))
    assert found["valueInteger"] == 1
    assert components(found)["phase"] == "acute"
    (stored,) = grades(api)
    assert (stored["grade"], stored["phase"], stored["source_id"]) == (1, "acute", "o1")
    sent = {"analyte": "1975-2", "value": "1.8", "unit": "mg/dL", "lln": "0.2", "uln": "1.2",
            "collected": "2011-04-23", "source_id": "o1"}  # fmt: skip
    api.post(f"{P1}/results", json={"results": [sent]})  # the same result by the other door
    assert len(grades(api, include_superseded=True)) == 1


def test_sent_again_nothing_changes_and_a_correction_supersedes(api: httpx.Client) -> None:
    for _ in range(2):
        answered(api, keep(observation()))
    assert len(grades(api, include_superseded=True)) == 1
    corrected = observation(status="corrected", valueQuantity=quantity("2.4", "mg/dL"))
    (found,) = derived(answered(api, keep(corrected)))
    assert found["valueInteger"] == 2
    assert len(grades(api, include_superseded=True)) == 2


def test_an_older_version_never_supersedes(api: httpx.Client) -> None:
    newer = {"issued": "2011-04-25T10:00:00+02:00"}
    answered(api, keep(observation(**newer)))
    older = {"issued": "2011-04-25T07:59:59Z", "valueQuantity": quantity("2.4", "mg/dL")}
    answered(api, keep(observation(**older)))
    assert [one["value"] for one in grades(api, include_superseded=True)] == ["1.8"]
    answered(api, keep(observation(**older | {"issued": "2011-04-25T08:00:01Z"})))
    assert [one["value"] for one in grades(api)] == ["2.4"]


def test_an_older_version_of_a_server_never_supersedes_even_at_another_time(
    api: httpx.Client,
) -> None:
    def sent(version: str, day: str, value: str) -> dict[str, Any]:
        resource = observation(
            meta={"versionId": version}, effectiveDateTime=day,
            valueQuantity=quantity(value, "mg/dL"),
        )  # fmt: skip
        entry = [{"fullUrl": "https://ehr.example/fhir/Observation/o1", "resource": resource}]
        return parameters(bundle(entry=entry), persist=True, patient="P1")

    for version, day, value in (
        ("9", "2011-04-23", "1.8"), ("10", "2011-04-22", "2.4"), ("9", "2011-04-23", "1.8"),
        ("8", "2011-04-23", "9.9"),
    ):  # fmt: skip
        answered(api, sent(version, day, value))
    assert [(one["value"], one["flags"]) for one in grades(api)] == [("2.4", [])]


def test_entered_in_error_withdraws(api: httpx.Client) -> None:
    answered(api, keep(observation()))
    (found,) = derived(answered(api, keep(observation(status="entered-in-error"))))
    assert found["dataAbsentReason"]["text"] == "not-final"
    (stored,) = grades(api)
    assert (stored["grade"], stored["reason"]) == (None, "not-final")


def test_the_baseline_may_be_stored_already(api: httpx.Client) -> None:
    early = observation(
        id="o0", effectiveDateTime="2011-01-20", valueQuantity=quantity("0.9", "mg/dL")
    )
    answered(api, keep(procedure(), early))
    (found,) = derived(answered(api, keep(observation())))
    assert components(found)["baseline_grade"] == 0


def test_every_observation_is_answered_whether_it_is_kept_or_not(api: httpx.Client) -> None:
    weight = observation(
        id="w", code=coded("29463-7"), valueQuantity=quantity(70, "kg"), referenceRange=None,
        category=[coded("vital-signs", system="urn:c")], effectiveDateTime=None,
    )  # fmt: skip
    unreadable = observation(id="u", valueQuantity={"value": "n/a", "unit": "mg/dL"})
    resources = answered(api, keep(weight, unreadable, observation(), observation()))
    reasons = [r.get("dataAbsentReason", {}).get("text") for r in derived(resources)]
    assert reasons == ["unknown-analyte", "unreadable-value", None, None]
    assert {(g["source_id"], g["reason"]) for g in grades(api)} == {
        ("u", "unreadable-value"), ("o1", None),
    }  # fmt: skip


def test_several_courses_are_refused_whole(api: httpx.Client) -> None:
    courses = [procedure("2009-01-05", "2009-02-01"), procedure()]
    assert post(api, keep(*courses, observation())).status_code == 422
    assert api.get(f"{P1}/grades").status_code == 404


def test_a_result_without_a_date_is_told_and_the_others_are_stored(api: httpx.Client) -> None:
    undated = observation(id="o2", effectiveDateTime=None, valueQuantity=quantity("98.7", "mg/dL"))
    resources = answered(api, keep(undated, observation()))
    assert len(derived(resources)) == 2
    where = "Parameters.parameter[0].resource.entry[0].resource.effective"
    assert ("not-stored", [where]) in issues(resources)
    assert "98.7" not in ENCODER.encode(resources[-1]).decode()  # the outcome about the Bundle
    assert [(one["source_id"], one["grade"]) for one in grades(api)] == [("o1", 1)]


def test_a_bundle_in_which_no_result_has_a_date_is_refused(api: httpx.Client) -> None:
    answer = post(api, keep(observation(effectiveDateTime=None)))
    assert answer.status_code == 422
    where = "Parameters.parameter[0].resource.entry[0].resource.effective"
    assert issues([answer.json()]) == [("missing", [where])]
    assert api.get(f"{P1}/grades").status_code == 404


def test_a_withdrawal_needs_no_date(api: httpx.Client) -> None:
    """R4 asks for no ``effective[x]``; a server keeps little of what was entered in error."""
    withdrawn = observation(
        status="entered-in-error", effectiveDateTime=None, valueQuantity=None, referenceRange=None
    )
    answered(api, keep(observation(), observation(id="o2")))
    for _ in range(2):
        answered(api, keep(withdrawn))
        found = {one["source_id"]: (one["status"], one["collected"]) for one in grades(api)}
        assert found == {
            "o1": ("entered-in-error", "2011-04-23"), "o2": ("final", "2011-04-23"),
        }  # fmt: skip


def test_a_course_that_contradicts_itself_is_told_and_the_results_are_stored(
    api: httpx.Client,
) -> None:
    resources = answered(api, keep(procedure(end="2011-01-01"), observation()))
    assert [code for code, _ in issues(resources)] == ["end-before-start"]
    assert [(g["grade"], g["phase"]) for g in grades(api)] == [(1, "unknown")]


def test_an_id_is_unique_on_its_server_and_in_its_report_only(api: httpx.Client) -> None:
    """Else the later would overwrite the earlier, and a grade 3 would be lost."""

    def at(day: str, value: str, **more: object) -> dict[str, Any]:
        return observation(
            id="1", effectiveDateTime=day, valueQuantity=quantity(value, "mg/dL"), **more
        )

    for base, day, value in (("a", "2011-04-01", "9.9"), ("b", "2011-05-01", "1.0")):
        entry = [{"fullUrl": f"https://{base}.example/Observation/1", "resource": at(day, value)}]
        sent = bundle(entry=entry)
        answered(api, parameters(sent, persist=True, patient="P1"))
    for report, day, value in (("r", "2011-06-01", "9.9"), ("s", "2011-07-01", "1.0")):
        answered(api, keep({
            "resourceType": "DiagnosticReport", "id": report, "status": "final",
            "subject": {"reference": "Patient/1"}, "contained": [at(day, value, subject=None)],
        }))  # fmt: skip
    assert [one["grade"] for one in grades(api)] == [3, 0, 3, 0]


def test_two_values_of_one_result_are_both_kept_and_flagged(api: httpx.Client) -> None:
    answered(api, keep(observation(), observation(valueQuantity=quantity("2.4", "mg/dL"))))
    found = grades(api)
    assert {one["grade"] for one in found} == {1, 2}
    assert all("two-values-one-time" in one["flags"] for one in found)


def test_a_withdrawn_report_withdraws_what_was_stored(api: httpx.Client) -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final",
              "subject": {"reference": "Patient/1"}, "contained": [observation()]}  # fmt: skip
    answered(api, keep(report))
    assert [one["grade"] for one in grades(api)] == [1]
    answered(api, keep(report | {"status": "entered-in-error"}))
    assert [one["reason"] for one in grades(api)] == ["not-final"]


def test_a_study_that_is_not_there(api: httpx.Client) -> None:
    answer = post(api, keep(observation(), study="nowhere"))
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")
    answer = post(api, parameters(bundle(), study="nowhere"))
    assert answer.status_code == 404


def test_a_study_s_rules_decide_without_storing_too(api: httpx.Client) -> None:
    window = {"anchor": "end", "days": 30}
    assert api.put("/v1/studies/short", json={"window": window}).is_success
    sent = parameters(bundle(procedure(), observation()), study="short")
    assert components(derived(answered(api, sent))[0])["phase"] == "late"


def test_an_idempotency_key_is_honoured(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/fhir+json", "Idempotency-Key": "k1"}

    def send(sent: object) -> httpx.Response:
        return api.post("/fhir/$ctcae-grade", content=ENCODER.encode(sent), headers=headers)

    first, again = send(keep(observation())), send(keep(observation()))
    assert first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/fhir+json"
    other = send(keep(observation(id="o2")))
    assert (other.status_code, other.json()["resourceType"]) == (422, "OperationOutcome")
