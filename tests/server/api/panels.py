"""Requests that the tests send: one good lab value, changed where a test says so."""

from typing import Any

RADIOTHERAPY = {"start": "2011-01-24", "end": "2011-03-09"}


def value(**changed: object) -> dict[str, Any]:
    """Bilirubin 1.8 mg/dL at ULN 1.2, grade 1, 45 days after the end of ``RADIOTHERAPY``."""
    good = {
        "analyte": "bilirubin", "value": "1.8", "unit": "mg/dL", "lln": "0.2", "uln": "1.2",
        "collected": "2011-04-23", "source_id": "LAB-1", "status": "final",
    }  # fmt: skip
    return good | changed


def baseline(**changed: object) -> dict[str, Any]:
    """Bilirubin 0.9 mg/dL, grade 0, four days before the start of ``RADIOTHERAPY``."""
    return value(value="0.9", collected="2011-01-20", source_id="LAB-0") | changed


def panel(*results: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"radiotherapy": RADIOTHERAPY, "results": list(results) or [value()], **more}
