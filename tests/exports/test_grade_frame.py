"""A frame is graded as a file is."""

import ast
from pathlib import Path

import polars as pl

import toxgrade
from toxgrade.exports.grade_frame import grade

_APP = Path(toxgrade.__file__).parent


def test_patients_are_trimmed_and_a_row_without_one_is_undecided() -> None:
    row = {"analyte": "CREAT", "unit": "mg/dL", "lln": "0.6", "uln": "1.2"}
    labs = pl.DataFrame(
        [
            row | {"patient": "P1 ", "collected": "2024-01-02", "value": "0.7"},
            row | {"patient": "P1", "collected": "2024-03-01", "value": "1.6"},
            row | {"patient": " ", "collected": "2024-03-01", "value": "1.6"},
        ]
    )
    patients = pl.DataFrame({"patient": [" P1"], "rt_start": ["2024-01-10"], "rt_end": [None]})
    graded = grade(labs, patients.cast(pl.String))
    shown = graded.select("patient", "grade", "phase", "reason").cast(pl.String)
    assert shown.rows() == [
        ("P1 ", "0", "baseline", None),
        ("P1", "2", "acute", None),
        (" ", None, "unknown", "missing-patient"),
    ]


def test_no_grade_depends_on_the_day_on_which_it_is_computed() -> None:
    """Nothing below the service asks what day it is."""
    asks = {"today", "now", "utcnow", "time_ns", "localtime", "gmtime"}
    found = [
        f"{path.relative_to(_APP)}:{node.lineno}"
        for floor in ("criteria", "grading", "cohort", "tabular", "exports")
        for path in (_APP / floor).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in asks
    ]
    assert found == []
