"""A report calls no baseline certain that depends on which of several results of a day it is."""

import httpx
import pytest

_ALT = "Alanine aminotransferase increased"


@pytest.mark.parametrize(
    ("same_day", "later", "baseline_grade", "cells", "n_evaluable"),
    [
        # Of one day, at an ULN of 40  after   its grade  baseline by worst  with a baseline
        (["30", "160"], "130", None, [], 0),  # Grade 0 or 2.
        (["70", "160"], "230", None, [], 0),  # Grade 1 or 2; worse than either.
        (["130", "160"], "230", 2, [(2, 3)], 1),  # Grade 2 either way.
        (["30"], "130", 0, [(0, 2)], 1),
    ],
)
def test_an_ambiguous_baseline_has_no_grade_in_a_report(
    api: httpx.Client,
    same_day: list[str],
    later: str,
    baseline_grade: int | None,
    cells: list[tuple[int, int]],
    n_evaluable: int,
) -> None:
    days = [*((value, "2020-01-06") for value in same_day), (later, "2020-03-01")]
    results = [
        {"analyte": "ALT", "value": value, "unit": "U/L", "uln": "40", "collected": day}
        for value, day in days
    ]
    course = {"start": "2020-01-06", "end": "2020-02-14"}
    url = "/v1/studies/default"
    sent = {"results": results, "radiotherapy": course}
    api.post(f"{url}/patients/P1/results", json=sent).raise_for_status()
    shift = api.get(f"{url}/shift-table", params={"term": _ALT}).json()
    assert [(c["baseline"], c["worst"]) for c in shift["cells"]] == cells
    assert shift["not_evaluable"] == ([] if cells else ["P1"])
    rows = api.get(f"{url}/toxicity-table").json()["rows"]
    (before,) = [r for r in rows if (r["label"], r["kind"]) == ("Liver enzymes", "baseline")]
    assert (before["n_evaluable"], before["undecided"]) == (n_evaluable, 1 - n_evaluable)
    (summary,) = api.get(f"{url}/patients/P1/toxicity").json()["summary"]
    assert summary["baseline_grade"] == baseline_grade
