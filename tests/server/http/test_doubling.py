"""No caller can stop it by what a parser reads: twice the hostile input costs at most 2.5 times.

Each case is measured in processes of its own (``benchmarks/doubling``): CPU time, so that a busy
machine changes little, and the peak of memory. ``make evidence`` measures all, and longer.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.doubling.__main__ import MODULES
from benchmarks.doubling.cases_files import FORMATS
from benchmarks.doubling.cases_json import DOORS
from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings
from toxgrade.tabular.file_format import _SUFFIXES

_ROOT = Path(__file__).parents[3]
_BESIDE_JSON = {
    ("POST", "/hl7v2"): "POST /hl7v2",
    ("POST", "/v1/studies/{study}/batches"): "multipart",
}


@pytest.mark.parametrize("module", MODULES)
def test_twice_the_hostile_input_costs_at_most_two_and_a_half_times(module: str) -> None:
    measured = subprocess.run(
        [sys.executable, "-m", "benchmarks.doubling", "--short", module],
        cwd=_ROOT, capture_output=True, text=True,
    )  # fmt: skip
    at_fault = [line for line in measured.stdout.splitlines() if "  FAULT " in line]
    assert measured.returncode == 0, "\n".join([*at_fault, measured.stderr[-2000:]])


def test_every_route_with_a_body_has_cases() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    bodies = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "requestBody" in operation
    }
    doors = {(method, template) for method, _, template in DOORS.values()}
    assert bodies == doors | set(_BESIDE_JSON)
    parsers = {case.parser for module in MODULES.values() for case in module.cases()}
    assert parsers >= {*DOORS, *_BESIDE_JSON.values()}


def test_every_format_of_file_has_cases() -> None:
    assert {kind for kind in _SUFFIXES.values() if kind != "tsv"} == set(FORMATS)
