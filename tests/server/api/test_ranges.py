"""A study's own reference ranges over HTTP: used, shown, changed; on SQLite and on PostgreSQL."""

from typing import Any

import httpx
import pytest

from tests.server.api.panels import RADIOTHERAPY, value

_STUDY = "/v1/studies/default"
_ALT = {"analyte": "ALT", "value": "121", "unit": "U/L", "lln": None, "uln": None}


def put(api: httpx.Client, *ranges: dict[str, Any]) -> dict[str, Any]:
    answer = api.put(f"{_STUDY}/reference-ranges", json={"ranges": list(ranges)})
    assert answer.status_code == 200, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


def send(api: httpx.Client, *results: dict[str, Any], patient: str = "P1") -> list[dict[str, Any]]:
    body = {"radiotherapy": RADIOTHERAPY, "results": list(results)}
    answer = api.post(f"{_STUDY}/patients/{patient}/results", json=body)
    assert answer.status_code == 201, answer.text
    found: list[dict[str, Any]] = answer.json()["grades"]
    return found


def history(api: httpx.Client, patient: str = "P1") -> list[dict[str, Any]]:
    query = "include_superseded=true"
    found: list[dict[str, Any]] = api.get(f"{_STUDY}/patients/{patient}/grades?{query}").json()[
        "grades"
    ]
    return found


def alt(uln: str, **more: object) -> dict[str, Any]:
    return {"analyte": "ALT", "uln": uln, "unit": "U/L", **more}


def test_the_range_used_is_shown_and_kept_with_the_grade(api: httpx.Client) -> None:
    put(api, alt("40"), {"analyte": "WBC", "lln": 4, "uln": 10, "unit": "G/L"})
    (graded,) = send(api, value(**_ALT))
    assert (graded["grade"], graded["flags"]) == (2, ["range-from-study"])
    assert (graded["lln"], graded["uln"], graded["limit_unit"]) == (None, "40", "U/L")
    assert graded["study_range"] == {
        "analyte": "ALT", "lln": None, "uln": "40", "unit": "U/L", "lab": None, "sex": None,
        "age_from": None, "age_to": None, "valid_from": None,
    }  # fmt: skip
    assert "3.025 x ULN (40 U/L)" in graded["because"]
    assert history(api) == [graded]
    peak = api.get(f"{_STUDY}/patients/P1/toxicity").json()["liver_safety"]["peak_x_uln"]
    assert peak["ALT"] == 3.025


def test_a_range_that_was_sent_is_never_overridden(api: httpx.Client) -> None:
    put(api, alt("40"))
    (graded,) = send(api, value(**_ALT | {"uln": "100"}))
    assert (graded["grade"], graded["flags"], graded["study_range"]) == (1, [], None)


def test_another_table_regrades_what_it_touches_and_nothing_else(api: httpx.Client) -> None:
    send(api, value(**_ALT), value(source_id="LAB-2"))
    send(api, value(**_ALT | {"uln": "40"}), patient="P2")
    send(api, value(), patient="P3")
    assert put(api, alt("40"))["patients_regraded"] == 2
    assert put(api, alt("40"))["patients_regraded"] == 0  # the same table
    assert put(api, alt("130"))["patients_regraded"] == 2
    assert put(api)["patients_regraded"] == 2
    grades = [g for g in history(api) if g["analyte"] == "ALT"]
    assert [(g["grade"], g["reason"], g["uln"]) for g in grades] == [
        (None, "missing-uln", None), (2, None, "40"), (0, None, "130"), (None, "missing-uln", None),
    ]  # fmt: skip
    assert [g["supersedes_id"] for g in grades] == [None, *(g["id"] for g in grades[:-1])]
    assert len(history(api, "P2")) == len(history(api, "P3")) == 1


def test_a_table_that_cannot_be_accepted_changes_nothing(api: httpx.Client) -> None:
    put(api, alt("40"))
    for row, loc in (
        (alt("0"), ["ranges", 1, "uln"]),
        (alt("x"), ["ranges", 1, "uln"]),
        (alt("40", age_from=-1), ["ranges", 1, "age_from"]),
        (alt("40", valid_from="2011-04"), ["ranges", 1, "valid_from"]),
        (alt("40", sex="f"), ["ranges", 1, "sex"]),
        (alt("40", ulm="40"), ["ranges", 1, "ulm"]),
        (alt("41"), ["ranges", 1]),
    ):
        answer = api.put(f"{_STUDY}/reference-ranges", json={"ranges": [alt("50"), row]})
        assert answer.status_code == 422
        assert [fault["loc"] for fault in answer.json()["errors"]] == [loc]
    assert [r["uln"] for r in api.get(f"{_STUDY}/reference-ranges").json()["ranges"]] == ["40"]
    assert api.put("/v1/studies/none/reference-ranges", json={"ranges": []}).status_code == 404
    assert api.get("/v1/studies/none/reference-ranges").status_code == 404


def test_a_range_for_some_patients_needs_to_know_them(api: httpx.Client) -> None:
    put(api, alt("34", sex="female", age_from=18), alt("45", sex="male"))

    def grade() -> int | None:
        found: int | None = api.get(f"{_STUDY}/patients/P1/grades").json()["grades"][0]["grade"]
        return found

    def tell(**person: object) -> None:
        answer = api.put(f"{_STUDY}/patients/P1", json=person)
        assert answer.status_code == 200, answer.text
        assert answer.json() | person == answer.json()

    send(api, value(**_ALT | {"value": "110"}))
    assert grade() is None
    tell(sex="female")
    assert grade() is None
    tell(birth_year=1960)  # what is left out stays
    assert grade() == 2
    tell(sex="male")
    assert grade() == 1
    tell(sex=None)
    assert grade() is None
    assert len(history(api)) == 4


def test_another_laboratory_has_another_range(api: httpx.Client) -> None:
    put(api, alt("40", lab="North"), alt("60", lab="South"))
    north, south, untold = send(
        api,
        value(**_ALT, source_id="1", lab="North"),
        value(**_ALT, source_id="2", lab="south"),
        value(**_ALT, source_id="3"),
    )
    assert [g["grade"] for g in (north, south, untold)] == [2, 1, None]
    (moved,) = send(api, value(**_ALT, source_id="3", lab="North"))
    assert (moved["grade"], moved["lab"], moved["supersedes_id"]) == (2, "North", untold["id"])


@pytest.mark.parametrize("year", [1879, 2300, "1960", 1960.5, True])
def test_a_birth_year_is_a_year(api: httpx.Client, year: object) -> None:
    answer = api.put(f"{_STUDY}/patients/P1", json={"birth_year": year})
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["birth_year"]]
