"""Every picture: valid, with its definition and n, true to the cohort, legible without colour."""

import itertools
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import altair as alt
import httpx
import pytest
from playwright.sync_api import Page, expect

from toxgrade.server.web.charts.chart import GRADE_COLOURS

_STUDY = ("butterfly", "shift", "edish", "swimmer", "incidence")
_PLACES = [
    *(f"/studies/demo/pictures/{name}" for name in _STUDY),
    "/studies/demo/patients/P13/timeline",
    "/studies/demo/patients/P19/timeline",
]
_MAGIC = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}


def _spec(demo: httpx.Client, place: str, **params: object) -> dict[str, Any]:
    answer = demo.get(f"{place}.json", params=params)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _values(node: Any) -> Iterator[dict[str, Any]]:
    """Every row of data anywhere in a specification."""
    if isinstance(node, dict):
        for name, child in node.items():
            rows = child if name == "values" and isinstance(child, list) else []
            yield from (row for row in rows if isinstance(row, dict))
            if name == "datasets":
                yield from itertools.chain(*child.values())
            else:
                yield from _values(child)
    elif isinstance(node, list):
        for child in node:
            yield from _values(child)


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("width", [320, 720])
def test_a_picture_is_a_valid_specification_that_says_what_it_shows(
    demo: httpx.Client, place: str, width: int
) -> None:
    spec = _spec(demo, place, width=width)
    alt.Chart.from_dict(spec)
    subtitle = " ".join(spec["title"]["subtitle"])
    assert re.search(r"\b(n = \d+|all \d+ patients)", subtitle)
    assert "var(--" not in json.dumps(spec)


@pytest.mark.parametrize("kind", _MAGIC)
@pytest.mark.parametrize("place", [_PLACES[0], _PLACES[5]])
def test_a_picture_is_a_file_by_suffix_and_by_accept(
    demo: httpx.Client, place: str, kind: str
) -> None:
    media = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}[kind]
    by_suffix = demo.get(f"{place}.{kind}")
    by_accept = demo.get(place, headers={"Accept": media})
    for answer in (by_suffix, by_accept):
        assert answer.headers["content-type"].startswith(media)
        assert answer.content.startswith(_MAGIC[kind])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("pictures/pie", 404), ("pictures/edish.gif", 404), ("pictures/edish.svg?width=9", 422),
        ("pictures/incidence.svg?min_grade=6", 422), ("pictures/shift.svg?term=Nausia", 422),
        ("patients/P13/story.svg", 404), ("patients/P99/timeline.svg", 404),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(demo: httpx.Client, path: str, status: int) -> None:
    assert demo.get(f"/studies/demo/{path}").status_code == status


def test_the_butterfly_counts_as_the_table_does(demo: httpx.Client) -> None:
    rows = [r for r in _values(_spec(demo, _PLACES[0])) if r.get("side")]
    counted = {(r["side"], r["row"], r["grade"]): r["n"] for r in rows}
    for side in ("Acute", "Late"):
        table = demo.get(f"/v1/studies/demo/toxicity-table?phase={side.lower()}").json()
        for row in table["rows"]:
            if row["kind"] == "worst":
                drawn = [counted.get((side, row["label"], grade), 0) for grade in range(1, 6)]
                assert drawn == [row["counts"][str(grade)] for grade in range(1, 6)]


def test_shifts_are_those_of_the_shift_table(demo: httpx.Client) -> None:
    spec = _spec(demo, _PLACES[1], term="Liver enzymes")
    drawn = {(r["baseline"], r["worst"], r["n"]) for r in _values(spec) if "n" in r}
    cells = demo.get("/v1/studies/demo/shift-table?term=Liver enzymes").json()["cells"]
    assert drawn == {(str(cell["baseline"]), cell["worst"], cell["n"]) for cell in cells}


def test_edish_has_the_peaks_of_liver_safety(demo: httpx.Client) -> None:
    spec = _spec(demo, _PLACES[2])
    safety = demo.get("/v1/studies/demo/liver-safety").json()["patients"]
    peaks = {p["patient"]: p["peak_x_uln"] for p in safety}
    alone = [r for r in _values(spec) if r.get("patient")]
    drawn = {(r["patient"], round(r["alt"], 3), round(r["bilirubin"], 3)) for r in alone}
    for patient in {r["patient"] for r in alone} | {"P13", "P14"}:
        assert (patient, peaks[patient]["ALT"], peaks[patient]["bilirubin"]) in drawn
    assert "Hy's law range 2" in spec["description"]


def test_swimmer_lanes_end_at_the_last_contact(demo: httpx.Client) -> None:
    rows = [r for r in _values(_spec(demo, _PLACES[3])) if "until" in r]
    assert {r["patient"] for r in rows} == {f"P{i:02}" for i in range(1, 26)}
    p14 = {(r["days"], r["grade"]) for r in rows if r["patient"] == "P14" and r["grade"] > 1}
    assert [grade for _, grade in sorted(p14)] == [4]


def test_the_curve_is_that_of_time_to_grade(demo: httpx.Client) -> None:
    spec = _spec(demo, _PLACES[4], term="Liver enzymes", min_grade=1)
    curve = demo.get("/v1/studies/demo/time-to-grade?term=Liver enzymes&grade=1").json()
    drawn = {(r["days"], r["estimate"]) for r in _values(spec) if "estimate" in r}
    assert drawn == {(0, 0.0)} | {(s["days"], s["estimate"]) for s in curve["steps"]}


def test_a_timeline_draws_every_result_with_its_grade(demo: httpx.Client) -> None:
    """P13: bilirubin 12 x ULN is grade 4; P19: a censored GGT stays hollow."""
    rows = [r for r in _values(_spec(demo, _PLACES[5])) if "kind" in r]
    peak = max(r["number"] for r in rows if r["shown"].endswith("umol/L"))
    assert {r["grade"] for r in rows if r["number"] == peak} == {4}
    undecided = [r for r in _values(_spec(demo, _PLACES[6])) if r.get("kind") == "undecided"]
    assert {r["day"] for r in undecided} == {"2003-04-30"}


def test_every_patient_has_the_same_scales(demo: httpx.Client) -> None:
    def domains(patient: str) -> list[Any]:
        spec = _spec(demo, f"/studies/demo/patients/{patient}/timeline")
        return re.findall(r'"domain": \[(?:-2, 12|0\.1, 100\.0)\]', json.dumps(spec))

    assert len(set(map(tuple, (domains(p)[:30] for p in ("P02", "P13", "P14"))))) == 1
    assert domains("P02")


def test_every_analyte_has_a_panel(api: httpx.Client) -> None:
    """Whatever its limits ask for: multiples, numbers with units, the baseline, the value."""
    analytes = api.get("/v1/analytes").json()["analytes"]
    days = ("2011-01-20", "2011-05-01")
    results = [
        {
            "analyte": analyte["analyte"], "unit": analyte["canonical_unit"], "value": value,
            "lln": analyte["plausible"]["lln"][1], "uln": analyte["plausible"]["uln"][1],
            "collected": day,
        }
        for analyte in analytes
        for value, day in zip(analyte["plausible"]["value"], days, strict=True)
    ]  # fmt: skip
    sent = {"radiotherapy": {"start": "2011-01-24", "end": "2011-03-09"}, "results": results}
    stored = api.post("/v1/studies/default/patients/P1/results", json=sent)
    assert stored.status_code == 201, stored.text
    spec = _spec(api, "/studies/default/patients/P1/timeline")
    alt.Chart.from_dict(spec)
    graded = {g["analyte"] for g in stored.json()["grades"] if g["reason"] != "unknown-analyte"}
    assert {panel["title"]["text"].split(", ")[0] for panel in spec["vconcat"]} == graded


@pytest.mark.parametrize("place", _PLACES)
def test_a_page_draws_it_in_its_own_colours(page: Page, place: str) -> None:
    page.goto(place.removesuffix("/timeline"))
    drawn = page.locator(".picture[data-drawn] svg")
    expect(drawn).to_have_count(1)
    assert "var(--" in drawn.inner_html()


def test_a_dot_leads_to_its_patient(page: Page) -> None:
    page.goto("/studies/demo/pictures/edish")
    page.locator(".picture path[aria-label*='P13']").first.click()
    expect(page.locator("h2.patient")).to_have_text("P13")


def _linear(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def _lightness(linear: list[float]) -> float:
    y = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 116 * math.cbrt(max(y, 0.0)) - 16


_SEEN = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
"""How colours are seen: Machado, Oliveira and Fernandes, IEEE TVCG 2009;15:1291, severity 1."""


@pytest.mark.parametrize("seen", _SEEN)
def test_the_palette_darkens_from_grade_to_grade_however_it_is_seen(seen: str) -> None:
    """At least 6 of 100 steps of lightness apart: enough in grey print and without hue."""
    light = [
        _lightness(
            [sum(w * c for w, c in zip(row, _linear(colour), strict=True)) for row in _SEEN[seen]]
        )
        for colour in GRADE_COLOURS
    ]
    assert all(before - after >= 6 for before, after in itertools.pairwise(light)), light
