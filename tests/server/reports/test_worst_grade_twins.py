"""One rule of the worst grade and its twins: ``highest``, the maxima of SQL, and the columns."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, delete, insert

from toxgrade.cohort.definition import Scope
from toxgrade.exports.worst_cells import Worst
from toxgrade.exports.worst_grades import bounds_by_phase, worst_grades
from toxgrade.grading.columns.phase import PHASE_TYPE
from toxgrade.grading.flags import Flag
from toxgrade.grading.result import Phase
from toxgrade.grading.rules import Rules
from toxgrade.grading.summary import Graded, TermSummary, summarise
from toxgrade.grading.worst_grade import Bounds, highest, is_ambiguous
from toxgrade.server.records.db.tables import (
    grades,
    metadata,
    patients,
    results,
    studies,
    treatments,
)
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_bounds import cohort

TERM = "Platelet count decreased"
_NOW = datetime(2026, 11, 30, tzinfo=UTC)
_STUDY = Study(1, "twins", synthetic=True, rules=Rules())


class Row(NamedTuple):
    """A grade as a table, a summary and an export see it."""

    phase: Phase
    at_least: int | None
    at_most: int | None
    worse: bool | None
    flag: str = ""
    baseline_grade: int | None = None

    @property
    def ambiguous(self) -> bool:
        return is_ambiguous(self.phase, [self.flag], self.baseline_grade)

    @property
    def bounds(self) -> Bounds:
        relative = self.flag == Flag.RELATIVE_TO_BASELINE
        decided = self.at_least == self.at_most
        return Bounds(self.at_least, self.at_most, decided, self.worse, relative)


_INTERVALS = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted)
_ROWS = st.builds(
    lambda phase, ends, worse, flag, baseline: Row(phase, ends[0], ends[1], worse, flag, baseline),
    st.sampled_from(["baseline", "pre_treatment", "acute", "late"]),
    _INTERVALS,
    st.sampled_from([None, True, False]),
    st.sampled_from(["", Flag.RELATIVE_TO_BASELINE.value, Flag.BASELINE_AMBIGUOUS.value]),
    st.sampled_from([None, 0]),
)


def by_rule(rows: Sequence[Row], phases: Sequence[str]) -> Bounds | None:
    """The rule itself, on the graded rows that lie in the phases."""
    return highest(row.bounds for row in rows if row.phase in phases and row.at_most is not None)


def by_columns(rows: Sequence[Row]) -> pl.DataFrame:
    """The cells that an export gathers, one row for the patient and term."""
    worst = Worst(1, with_days=False)
    flags = pl.Series([row.flag or None for row in rows], dtype=pl.Categorical)
    worst.add(
        pl.DataFrame(
            {
                "who": pl.Series([0] * len(rows), dtype=pl.Int64),
                "course": pl.Series([1] * len(rows), dtype=pl.Int64),
                "term": pl.Series([TERM] * len(rows), dtype=pl.Enum([TERM])),
                "reason": pl.Series([None] * len(rows), dtype=pl.String),
                "phase": pl.Series([row.phase for row in rows], dtype=PHASE_TYPE),
                "at_least": pl.Series([row.at_least for row in rows], dtype=pl.Int8),
                "at_most": pl.Series([row.at_most for row in rows], dtype=pl.Int8),
                "worse_than_baseline": pl.Series([row.worse for row in rows], dtype=pl.Boolean),
                "baseline_grade": pl.Series([row.baseline_grade for row in rows], dtype=pl.Int8),
                "flags": flags,
                **{
                    name: pl.Series([False] * len(rows))
                    for name in ("after_start", "may_be_acute", "may_be_late")
                },
            }
        )
    )
    return bounds_by_phase(pl.concat(worst.cells(pl.Series(["P1"]))))


@pytest.fixture(scope="module")
def database() -> Iterator[Connection]:
    """A study with one patient, treated in 2020, and no grades."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    courses = [{"start": "2020-01-06", "end": "2020-02-14", "ongoing": False}]
    told = dict.fromkeys(("dose_gy", "fractions"))
    with engine.begin() as connection:
        connection.execute(
            insert(studies), {"id": 1, "name": "twins", "synthetic": True, "recorded_at": _NOW}
        )
        connection.execute(insert(patients), {"id": 1, "study_id": 1, "name": "P1"})
        connection.execute(
            insert(treatments),
            {"patient_id": 1, "recorded_at": _NOW, "courses": json.dumps([courses[0] | told])},
        )
        yield connection
    engine.dispose()


def by_sql(
    connection: Connection, rows: Sequence[Row], scope: Scope
) -> tuple[Bounds | None, Bounds | None]:
    """The baseline and the worst grade that a study's table reads."""
    connection.execute(delete(grades))
    connection.execute(delete(results))
    for number, row in enumerate(rows, 1):
        connection.execute(insert(results), _result(number))
        connection.execute(insert(grades), _grade(number, row))
    (found,) = cohort(connection, _STUDY, scope)
    return found.baseline.get(TERM), found.worst.get(TERM)


def _result(number: int) -> dict[str, Any]:
    return {
        "id": number, "patient_id": 1, "identity": str(number), "version": 1,
        "analyte": "platelets", "value": "100", "status": "final", "content_sha256": "",
        "is_baseline": False, "recorded_at": _NOW,
    }  # fmt: skip


def _grade(number: int, row: Row) -> dict[str, Any]:
    return {
        "id": number, "patient_id": 1, "result_id": number, "analyte": "platelets", "term": TERM,
        "at_least": row.at_least, "at_most": row.at_most, "because": "", "flags": row.flag,
        "phase": row.phase, "course": 0, "baseline_grade": row.baseline_grade,
        "worse_than_baseline": row.worse, "edition": _STUDY.rules.edition, "criteria_sha256": "",
        "software": "", "recorded_at": _NOW,
    }  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_ROWS, min_size=1, max_size=6))
def test_the_worst_grade_is_the_same_by_rule_by_sql_and_by_columns(
    database: Connection, rows: list[Row]
) -> None:
    columns = by_columns(rows).row(0, named=True)
    for phase, phases in (("acute", ("acute",)), ("late", ("late",)), ("both", ("acute", "late"))):
        expected = by_rule(rows, phases)
        _, found = by_sql(database, rows, Scope(phase))  # type: ignore[arg-type]
        assert found == expected
        if expected is not None:
            sides = ("least", "most", "decided", "worse", "relative")
            assert Bounds(*(columns[f"{phase}_{side}"] for side in sides)) == expected


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_ROWS, min_size=1, max_size=6))
def test_the_summary_of_a_patient_is_the_same_by_rule_and_by_columns(rows: list[Row]) -> None:
    (expected,) = summarise(
        Graded(TERM, r.phase, 0, r.at_least, r.at_most, r.worse, may_be_baseline=r.ambiguous)
        for r in rows
    )
    found = worst_grades(by_columns(rows)).row(0, named=True)
    del found["patient"]
    assert TermSummary(**found) == expected


def test_an_ambiguous_baseline_is_certain_of_nothing(database: Connection) -> None:
    rows = [Row("baseline", 2, 2, None, Flag.BASELINE_AMBIGUOUS.value)]
    baseline, _ = by_sql(database, rows, Scope("acute"))
    assert baseline is not None
    assert (baseline.at_least, baseline.at_most, baseline.decided) == (0, 2, False)
