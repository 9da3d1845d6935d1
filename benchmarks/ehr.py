"""FHIR: 1,000 Observations read, graded and answered; cards for 200, against parsing their JSON."""

import json
import time
from collections.abc import Callable
from typing import Any

from toxgrade.criteria.reader import load
from toxgrade.fhir.bundle import read_bundle
from toxgrade.fhir.results import Accepted
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.cards import cards
from toxgrade.server.ehr.grade_bundle import grade, observe, persons
from toxgrade.server.ehr.operation import collection_json
from toxgrade.server.ehr.resources import entries
from toxgrade.server.http.body import read_json
from toxgrade.server.runtime import MACHINE

_TESTS = (("1975-2", "mg/dL"), ("1742-6", "U/L"), ("6690-2", "10*9/L"), ("777-3", "10*9/L"))
_GRADER = Graders(load()).for_rules(Rules())


def main() -> None:
    """CPU milliseconds of each step, and their ratio to ``json.loads`` of the same bytes."""
    body = _bundle(1000)
    floor = _cpu(lambda: json.loads(body))
    steps = {
        "floor: json.loads": floor,
        "read: strict JSON, Bundle, Observations": _cpu(lambda: _read(body)),
        "read and grade": _cpu(lambda: _graded(body)),
        "read, grade and answer": _cpu(lambda: _answer(body)),
    }
    print(f"\nFHIR: 1,000 Observations of one patient, {len(body):,} bytes")
    _print(steps, floor)
    few = _bundle(200)
    floor = _cpu(lambda: json.loads(few))
    print("\nCDS Hooks: 200 Observations")
    _print(
        {"floor: json.loads": floor, "read, grade and show cards": _cpu(lambda: _show(few))}, floor
    )


def _print(steps: dict[str, float], floor: float) -> None:
    print(f"{'what':<44}{'ms of CPU':>12}{'ratio':>8}")
    for name, seconds in steps.items():
        print(f"{name:<44}{seconds * 1000:>12.1f}{seconds / floor:>8.2f}")


def _read(body: bytes) -> Any:
    contents = read_bundle(read_json(body), "Bundle", 10_000)
    return contents, observe(contents, _GRADER.names, Accepted())


def _graded(body: bytes) -> Any:
    contents, observed = _read(body)
    people = persons(contents, observed, of_one=False)
    return observed, grade(observed, people, _GRADER, Rules().window)


def _answer(body: bytes) -> Any:
    observed, answers = _graded(body)
    found = (
        resource
        for one, graded in zip(observed, answers, strict=True)
        for resource in entries(one, graded, _GRADER.edition, "observation", ())
    )
    return collection_json(found, MACHINE)


def _show(body: bytes) -> Any:
    observed, answers = _graded(body)
    link = "http://127.0.0.1/"
    return cards(observed, answers, _GRADER.edition, _GRADER.names, link, MACHINE)


def _cpu(run: Callable[[], Any]) -> float:
    """The least of five: other programs on the machine only ever add."""
    found = []
    for _ in range(5):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def _bundle(n: int) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": "collection",
         "entry": [{"resource": _observation(i)} for i in range(n)]}
    ).encode()  # fmt: skip


def _observation(i: int) -> dict[str, Any]:
    code, unit = _TESTS[i % len(_TESTS)]
    ucum = {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return {
        "resourceType": "Observation", "id": f"o{i}", "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "laboratory", "display": "Laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": "a test"},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": f"20{10 + i % 10}-{1 + i % 12:02}-{1 + i % 28:02}T08:00:00+01:00",
        "valueQuantity": {"value": 1 + i / 7, **ucum},
        "referenceRange": [{"low": {"value": 1, **ucum}, "high": {"value": 40, **ucum}}],
    }  # fmt: skip


if __name__ == "__main__":
    main()
