"""Results that a message holds twice, and rows that grading again must not add."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from tests.server.records.random_panels import GRADERS, STUDY
from toxgrade.grading.dictionary import read_dictionary
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Rules
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import grades
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.identity import OWN_NUMBER
from toxgrade.server.records.regrade import regrade_study
from toxgrade.server.records.store import Stored, store
from toxgrade.server.records.studies import lock_study, save_study
from toxgrade.server.runtime import MACHINE


def _alt(value: str, collected: str, **more: Any) -> LabResult:
    result = LabResult("ALT", read_value(value), "U/L", None, Decimal(40), source_id="N")
    return replace(result, collected=read_collected(collected), **more)


def _sent(labs: Sequence[LabResult], *, is_message: bool) -> Submission:
    located = tuple((("results", n), lab) for n, lab in enumerate(labs))
    return Submission(STUDY, "P", located, None, is_message)


_EIGHT, _EIGHT_IN_SUMMER = "2011-05-01T08:00", "2011-05-01T08:00+02:00"


@pytest.mark.parametrize(
    "labs",
    [
        (_alt("90", _EIGHT), _alt("95", _EIGHT_IN_SUMMER, status="corrected")),
        (_alt("95", _EIGHT_IN_SUMMER, status="corrected"), _alt("90", _EIGHT)),
        (_alt("90", _EIGHT, status="preliminary"), _alt("95", _EIGHT_IN_SUMMER)),
        (
            _alt("90", _EIGHT, source_scope="a|b"),
            _alt("95", _EIGHT, source_scope=f"a|b{OWN_NUMBER}7", status="corrected"),
        ),
    ],
)
def test_a_message_may_hold_a_result_and_its_correction_written_otherwise(
    labs: Sequence[LabResult], database_url: str
) -> None:
    """Only one has an offset from UTC, or a number of its own: they are one result all the same."""
    engine = build_engine(database_url)
    with begin(engine, MACHINE) as transaction:
        save_study(transaction, STUDY, Rules())
        stored: Stored = store(transaction, _sent(labs, is_message=True), GRADERS)
    engine.dispose()
    assert [[row.value for row in rows] for rows in stored.of_results] == [["95"], ["95"]]


def test_grading_again_adds_nothing_where_a_name_lost_its_meaning(database_url: str) -> None:
    """A site's name meant potassium, of two terms, then nothing; then the result was cancelled."""
    engine = build_engine(database_url)
    analytes = GRADERS.criteria.analytes.values()
    own = Rules(dictionary=read_dictionary({"analytes": {"K-site": "potassium"}}, analytes))
    lab = replace(_alt("2.7", "2011-05-01"), analyte="K-site", unit="mmol/L")
    counts = list[int]()
    for rules, sent in (
        (own, lab), (Rules(), None), (None, replace(lab, status="cancelled")),
        (None, _alt("90", "2011-05-02")), (None, replace(_alt("90", "2011-05-03"), source_id="M")),
    ):  # fmt: skip
        with begin(engine, MACHINE) as transaction:
            if rules and save_study(transaction, STUDY, rules).rules_changed:
                regrade_study(transaction, lock_study(transaction, STUDY, to_change=True), GRADERS)
            if sent:
                store(transaction, _sent([sent], is_message=True), GRADERS)
        with engine.connect() as connection:
            counts.append(connection.scalars(select(func.count()).select_from(grades)).one())
    engine.dispose()
    assert [counts[-2] - counts[-3], counts[-1] - counts[-2]] == [1, 1]
