"""The same rows get the same grades, reasons, phases and flags, whatever file or door they come by.

Numbers are doubles, among them sums such as 0.30000000000000004; texts hold the prints of the same
doubles. Each door gets the rows in an order of its own.
"""

import json
import random
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat
import pytest

from tests.conftest import NewDatabase
from tests.server.jobs.stored import GRADERS, Stored, stored
from tests.tabular import files
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.grade_frame import grade
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.flags import STORED_FLAGS
from toxgrade.grading.rules import Rules
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import ReadOptions

Row = dict[str, Any]
Found = set[tuple[str | None, ...]]
"""The gradings of all rows: their number (``source_id``), then ``_COMPARED``, as texts."""

_COMPARED = (
    "term", "grade", "at_least", "at_most", "reason", "phase", "baseline_grade",
    "worse_than_baseline", "flags",
)  # fmt: skip
_EDITIONS = ("4.03", "5.0")
_NUMBERS = ("value", "lln", "uln")
_TESTS = {
    "bilirubin": ("mg/dL", (0.3, 0.30000000000000004, 1.2, 1.2000000000000002, 1.8, 4.0, 13.0)),
    "creatinine": ("mg/dL", (0.7, 0.7999999999999999, 1.2000000000000002, 1.5, 2.4)),
    "ALT": ("U/L", (31.0, 40.0, 40.00000000000001, 98.0, 121.0, 0.1 + 0.2)),
    "platelets": ("10*9/L", (60.0, 74.99999999999999, 120.0, 150.0)),
    "potassium": ("mmol/L", (2.8, 3.2, 3.5, 5.4, 5.3999999999999995, 6.2)),
    "pH": ("pH", (7.2, 7.33, 7.36, 7.6)),
    "lead": ("ug/L", (5.0,)),
}
_LIMITS = {
    "bilirubin": (0.2, 1.2), "creatinine": (0.6, 1.2000000000000002), "ALT": (None, 40.0),
    "platelets": (150.0, 400.0), "potassium": (3.5, 5.3999999999999995), "pH": (7.35, 7.45),
    "lead": (None, None),
}  # fmt: skip
_SPECIMENS = (
    None, None, None, "Serum", "venous blood", "BLDA", "119297000", "Urine", "cord blood", " ",
)  # fmt: skip
_XPT = {"collected": "COLLECT", "comparator": "COMPARE", "indicator": "INDIC", "source_id": "ID"}


def _made(seed: int) -> list[Row]:
    """Return rows of four patients around their treatment, no two alike."""
    chance, rows = random.Random(seed), []
    for number in range(120):
        analyte = chance.choice(list(_TESTS))
        unit, values = _TESTS[analyte]
        lln, uln = _LIMITS[analyte]
        patient, day = chance.randrange(4), f"2011-{chance.randint(1, 8):02}-{number % 28 + 1:02}"
        rows.append(
            {
                "patient": f"P{patient}", "collected": f"{day}T{number % 24:02}:{number % 60:02}",
                "analyte": analyte, "comparator": chance.choice([None] * 6 + ["=", "<", "<=", ">"]),
                "value": chance.choice(values), "unit": unit if chance.random() < 0.95 else None,
                "lln": lln if chance.random() < 0.6 else None,
                "uln": uln if chance.random() < 0.6 else None,
                "specimen": chance.choice(_SPECIMENS),
                "indicator": chance.choice([None, None, "N", "H", "HH*", "LOW", "A"]),
                "status": chance.choice(["final"] * 5 + ["corrected", "preliminary"]),
                "source_id": f"S{number}", "rt_start": "2011-03-01" if patient else None,
                "rt_end": "2011-04-10" if patient > 1 else None,
            }
        )  # fmt: skip
    return rows


def _typed(rows: list[Row]) -> pl.DataFrame:
    kinds = {name: pl.Float64 if name in _NUMBERS else pl.String for name in rows[0]}
    return pl.DataFrame(rows, schema=kinds)


def _printed(rows: list[Row]) -> pl.DataFrame:
    """Return all cells as texts, numbers as the shortest print of their double."""
    texts = [{n: repr(c) if isinstance(c, float) else c for n, c in row.items()} for row in rows]
    return pl.DataFrame(texts, schema=dict.fromkeys(rows[0], pl.String))


def _xpt(rows: list[Row], path: Path) -> None:
    frame = _typed(rows).with_columns(pl.col(pl.String).fill_null("")).rename(_XPT).to_pandas()
    pyreadstat.write_xport(frame.rename(columns=str.upper), path, file_format_version=5)


def _xlsx(rows: list[Row], path: Path) -> None:
    files.xlsx(path, {"Labs": [tuple(rows[0]), *(tuple(row.values()) for row in rows)]})


def _lines(rows: list[Row], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


_FILES: dict[str, Callable[[list[Row], Path], object]] = {
    "text.csv": lambda rows, path: _printed(rows).write_csv(path),
    "text.tsv": lambda rows, path: _printed(rows).write_csv(path, separator="\t"),
    "text.parquet": lambda rows, path: _printed(rows).write_parquet(path),
    "float.parquet": lambda rows, path: _typed(rows).write_parquet(path),
    "text.ndjson": lambda rows, path: _printed(rows).write_ndjson(path),
    "float.ndjson": _lines,
    "float.xlsx": _xlsx,
    "float.xpt": _xpt,
}


def _by_file(name: str, rows: list[Row], folder: Path, edition: str) -> Found:
    path, output = folder / name, folder / f"{name}.out.parquet"
    _FILES[name](rows, path)
    columns = {ours: _XPT.get(ours, ours).upper() for ours in rows[0]} if name[-3:] == "xpt" else {}
    options = ReadOptions(columns=ColumnMap(columns))
    grade_file(GradeFileRequest((str(path),), output, Rules(edition), options=options), GRADERS)
    graded = pl.read_parquet(output)
    return _of_frame(graded.rename({"ID": "source_id"}, strict=False))


def _of_frame(graded: pl.DataFrame) -> Found:
    graded = graded.select(pl.col("source_id", *_COMPARED).cast(pl.String).replace("", None))
    return {(*row[:-1], _sorted((row[-1] or "").split())) for row in graded.iter_rows()}


def _sorted(flags: Iterable[str]) -> str:
    """Return flags without those that say what a result is beside others that are stored."""
    return " ".join(sorted(set(flags) - set(STORED_FLAGS)))


def _by_http(service: Stored, rows: list[Row], study: str) -> Found:
    found = set()
    for patient in sorted({row["patient"] for row in rows}):
        of_patient = [row for row in rows if row["patient"] == patient]
        start, end = of_patient[0]["rt_start"], of_patient[0]["rt_end"]
        sent: Row = {"results": [_as_json(row) for row in of_patient]}
        sent |= {"radiotherapy": {"start": start, "end": end}} if start else {}
        path = f"/v1/studies/{study}/patients/{patient}/results"
        answer = service.client.post(path, json=sent)
        assert answer.status_code == 201, answer.text
        for g in service.grades(study, patient):
            cells = (None if g[n] is None else str(g[n]).lower() for n in _COMPARED[1:-1])
            found.add((g["source_id"], g["term"], *cells, _sorted(g["flags"])))
    return found


def _as_json(row: Row) -> Row:
    """Return a row as a lab value: numbers as JSON's, after a comparator as text."""
    named = ("patient", "comparator", "rt_start", "rt_end")
    sign = (row["comparator"] or "").removeprefix("=")
    sent = {name: cell for name, cell in row.items() if name not in named}
    return sent | ({"value": f"{sign}{row['value']!r}"} if sign else {})


@pytest.fixture(scope="module")
def service(new_sqlite: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with stored(new_sqlite(), tmp_path_factory.mktemp("batches")) as found:
        for door, edition in product(("http", "batch"), _EDITIONS):
            path = f"/v1/studies/{door}-{edition}"
            assert found.client.put(path, json={"edition": edition}).status_code == 201
        yield found


@pytest.mark.parametrize("edition", _EDITIONS)
def test_the_same_rows_of_any_format_in_any_order_get_the_same_grades(
    service: Stored, tmp_path: Path, edition: str
) -> None:
    rows = _made(_EDITIONS.index(edition))
    expected = _by_file("text.csv", rows, tmp_path, edition)
    assert {row[0] for row in expected} == {row["source_id"] for row in rows}
    for flag in ("binary-noise", "by-indicator", "indicator-contradicts", "venous-sample"):
        assert any(flag in (row[-1] or "") for row in expected), f"no row shows {flag}"

    def shuffled() -> list[Row]:
        return random.sample(rows, len(rows))

    for name in _FILES:
        assert _by_file(name, shuffled(), tmp_path, edition) ^ expected == set(), name
    for frame in (_typed, _printed):
        assert _of_frame(grade(frame(shuffled()), edition=edition)) ^ expected == set(), (
            frame.__name__
        )
    assert _by_http(service, shuffled(), f"http-{edition}") ^ expected == set()
    batch = service.done(_printed(shuffled()).write_csv(), f"batch-{edition}")
    of_batch = service.graded(batch["id"], f"batch-{edition}")
    assert (batch["state"], of_batch["stored"].all()) == ("done", True)
    assert _of_frame(of_batch) ^ expected == set()
