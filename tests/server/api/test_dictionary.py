"""A study's own names, specimens and flags over HTTP: one dictionary, told by field where wrong."""

from typing import Any

import httpx
import pytest

from tests.server.api.panels import panel, value

_STUDY = "/v1/studies/default"
_DICTIONARY = {
    "analytes": {"POTAS": "potassium"},
    "units": {"mmol/Liter": "mmol/L"},
    "specimens": {"SST": "serum"},
}


def _potassium(**more: object) -> dict[str, Any]:
    return value(
        analyte="POTAS", value="7.4", unit="mmol/Liter", lln="3.5", uln="5.1", specimen="SST",
        **more,
    )  # fmt: skip


def _send(api: httpx.Client, *results: dict[str, Any]) -> list[dict[str, Any]]:
    answer = api.post(f"{_STUDY}/patients/P1/results", json=panel(*results))
    assert answer.status_code == 201, answer.text
    found: list[dict[str, Any]] = answer.json()["grades"]
    return found


def _put(api: httpx.Client, dictionary: object, query: str = "") -> httpx.Response:
    return api.put(f"{_STUDY}{query}", json={"dictionary": dictionary})


def test_names_of_a_study_are_graded_at_once_and_stored_ones_again(api: httpx.Client) -> None:
    (before,) = _send(api, _potassium())
    assert (before["reason"], before["grade"]) == ("unknown-analyte", None)
    assert _put(api, _DICTIONARY).status_code == 409  # the study holds results
    assert _put(api, _DICTIONARY, "?regrade=true").json()["dictionary"] == _DICTIONARY
    assert api.get(_STUDY).json()["dictionary"] == _DICTIONARY
    stored = api.get(f"{_STUDY}/patients/P1/grades").json()["grades"]
    assert {(g["term"], g["grade"]) for g in stored} == {("Hyperkalemia", 4), ("Hypokalemia", 0)}
    # What was stored keeps its identity: sent again, it is the same result.
    _send(api, _potassium())
    assert len(api.get(f"{_STUDY}/patients/P1/grades").json()["grades"]) == 2
    other = api.put("/v1/studies/other", json={}).json()
    assert other["dictionary"] == {"analytes": {}, "units": {}, "specimens": {}}


@pytest.mark.parametrize("between", [{}, {"analytes": {"POTAS": "sodium"}}])
def test_a_dictionary_that_is_taken_back_leaves_no_grade_behind(
    api: httpx.Client, between: dict[str, Any]
) -> None:
    """A result that lost its two terms and has them again is graded once for each."""
    _put(api, _DICTIONARY)
    _send(api, _potassium())
    for dictionary in (between, {"units": {"x": "1"}}, _DICTIONARY):
        assert _put(api, dictionary, "?regrade=true").status_code == 200
    stored = api.get(f"{_STUDY}/patients/P1/grades").json()["grades"]
    assert sorted((g["term"], g["grade"]) for g in stored) == [
        ("Hyperkalemia", 4), ("Hypokalemia", 0),
    ]  # fmt: skip


def test_a_concept_map_is_taken_as_a_dictionary(api: httpx.Client) -> None:
    element = {"code": "K", "target": [{"code": "2823-3", "equivalence": "equivalent"}]}
    group = {"source": "http://lab.example", "target": "http://loinc.org", "element": [element]}
    concepts = {"resourceType": "ConceptMap", "status": "active", "group": [group]}
    answer = _put(api, concepts)
    assert answer.json()["dictionary"]["analytes"] == {"http://lab.example|K": "2823-3"}


@pytest.mark.parametrize(
    ("dictionary", "loc", "code"),
    [
        ({"analytes": {"X": "kalium"}}, ["dictionary", "analytes", 0], "unknown-analyte"),
        ({"units": {"x": "furlong"}}, ["dictionary", "units", 0], "unknown-unit"),
        ({"specimens": {"x": "urine"}}, ["dictionary", "specimens", 0], "unknown-specimen"),
        ({"names": {}}, ["dictionary", "names"], "unknown-table"),
        ({"resourceType": "ConceptMap", "group": [{"target": "x"}]},
         ["dictionary", "group", 0, "target"], "concept-map-target"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named(
    api: httpx.Client, dictionary: object, loc: list[str], code: str
) -> None:
    answer = _put(api, dictionary)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["code"]) == (loc, code)


@pytest.mark.parametrize(
    ("more", "grade", "reason", "flags"),
    [
        ({"specimen": "URINE"}, None, "other-specimen", []),
        ({"specimen": "venous blood"}, 1, None, []),
        ({"uln": None, "indicator": "H"}, None, "missing-uln", ["by-indicator"]),
        ({"uln": None, "indicator": "N"}, 0, None, ["by-indicator"]),
        ({"indicator": "N"}, 1, None, ["indicator-contradicts"]),
        ({"value": 1.2000000000000002}, 0, None, ["binary-noise"]),
        ({"value": "1.2000000000000002", "uln": 1.2000000000000002}, 0, None, ["binary-noise"]),
    ],
)
def test_what_is_told_of_a_value(
    stateless: httpx.Client, more: dict[str, Any], grade: int | None, reason: str, flags: list[str]
) -> None:
    answer = stateless.post("/v1/grade", json=panel(value(**more)))
    (found,) = answer.json()["grades"]
    assert (found["grade"], found["reason"], found["flags"]) == (grade, reason, flags)
    assert found["specimen"] == more.get("specimen")
    assert found["indicator"] == more.get("indicator")


def test_names_may_come_with_a_panel_that_is_not_stored(stateless: httpx.Client) -> None:
    sent = panel(_potassium(), dictionary=_DICTIONARY)
    found = stateless.post("/v1/grade", json=sent).json()["grades"]
    assert [(g["term"], g["grade"]) for g in found] == [("Hyperkalemia", 4), ("Hypokalemia", 0)]
    sent["dictionary"] = {"units": {"x": "furlong"}}
    (error,) = stateless.post("/v1/grade", json=sent).json()["errors"]
    assert error["loc"] == ["dictionary", "units", 0]


def test_noise_is_echoed_but_does_not_make_another_result(api: httpx.Client) -> None:
    (first,) = _send(api, value(value="1.8000000000000003", source_id=None))
    (again,) = _send(api, value(value="1.8", source_id=None))
    assert first["id"] == again["id"]
    assert (again["value"], again["flags"]) == ("1.8000000000000003", ["binary-noise"])
