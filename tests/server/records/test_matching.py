"""Which stored result a sent one belongs to: the rules of ``docs/identity.md`` as a table."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from toxgrade.criteria.reader import load
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import WITHDRAWN, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.doubts import flag_doubts, twins
from toxgrade.server.records.identity import OWN_NUMBER
from toxgrade.server.records.matching import Matcher
from toxgrade.server.records.stored_results import (
    Version,
    read_version,
    version_row,
)

_GRADER: TermGrader = Graders(load()).for_rules(Rules())
_NAMES = _GRADER.names

Sent = tuple[str, ...]
"""Value, status, time and, where it says so, when it was issued."""


def _result(sent: Sent, **more: Any) -> LabResult:
    value, status, collected, *issued = sent
    given: dict[str, Any] = {"source_id": "LAB-1", "source_scope": "LAB|2823-3"} | more
    return LabResult(
        analyte="potassium", value=read_value(value), unit="mmol/L", status=status,
        collected=read_collected(collected) if collected else None,
        issued=datetime.fromisoformat(f"2011-04-{issued[0]}T00:00+00:00") if issued else None,
        **given,
    )  # fmt: skip


def _stored(sent: Sequence[Sent], **more: Any) -> list[tuple[str, str, str]]:
    """Return value, status and flags of what is current after results came one by one."""
    matcher = Matcher(_NAMES)
    for one in sent:
        matcher.match(_result(one, **more))
    found = flag_doubts(matcher.current(), _NAMES)
    return [(r.value.text if r.value else "", r.status, " ".join(r.flags)) for r in found]


_8, _8S, _14 = "2011-04-20T08:00", "2011-04-20T08:00:30", "2011-04-20T14:00"
_UNMATCHED = "correction-unmatched"
_DAY, _LATER = "2011-04-20", "2011-07-20T08:00"


@pytest.mark.parametrize(
    ("why", "sent", "current"),
    [
        ("sent again, nothing changes",
         [("6.8", "final", _8), ("6.80", "final", _8)], [("6.8", "final", "")]),
        ("serial values of one order are two results",
         [("6.8", "final", _8), ("4.0", "final", _14)],
         [("6.8", "final", ""), ("4.0", "final", "")]),
        ("equal values at two times are both kept, and told",
         [("6.8", "final", _8), ("6.8", "final", _14)],
         [("6.8", "final", "possible-duplicate"), ("6.8", "final", "possible-duplicate")]),
        ("a time that one of them lacks is told",
         [("6.8", "final", _DAY), ("4.0", "final", _14)],
         [("6.8", "final", "possible-duplicate"), ("4.0", "final", "possible-duplicate")]),
        ("the same minute is the same time",
         [("6.8", "final", _8), ("4.8", "corrected", _8S)], [("4.8", "corrected", "")]),
        ("a final result supersedes the preliminary one of its time",
         [("6.8", "preliminary", _8), ("6.6", "final", _8)], [("6.6", "final", "")]),
        ("and one of another time, where it is the only one",
         [("6.8", "preliminary", _8), ("6.6", "final", _14)], [("6.6", "final", "")]),
        ("not where there are two",
         [("6.8", "preliminary", _8), ("6.7", "preliminary", _14), ("6.6", "final", _DAY)],
         [("6.8", "preliminary", "possible-duplicate"),
          ("6.7", "preliminary", "possible-duplicate"), ("6.6", "final", "possible-duplicate")]),
        ("a preliminary one never supersedes a final one",
         [("6.8", "final", _8), ("4.0", "preliminary", _8)], [("6.8", "final", "")]),
        ("unless it was issued later",
         [("6.8", "final", _8, "20"), ("4.0", "preliminary", _8, "21")],
         [("4.0", "preliminary", "")]),
        ("a correction of the time",
         [("6.8", "final", _8), ("6.8", "corrected", _14)], [("6.8", "corrected", "")]),
        ("whose original is then sent again",
         [("6.8", "final", _8), ("6.8", "corrected", _14), ("6.8", "final", _8)],
         [("6.8", "corrected", "")]),
        ("a correction of one of two results at other times",
         [("6.8", "final", _8), ("4.0", "final", _14), ("5.0", "corrected", "2011-04-20T10:00")],
         [("6.8", "final", ""), ("4.0", "final", ""), ("5.0", "corrected", _UNMATCHED)]),
        ("a correction of nothing that is known",
         [("5.0", "corrected", _8)], [("5.0", "corrected", _UNMATCHED)]),
        ("accession numbers come round again: three months later it is another",
         [("6.8", "final", _8), ("5.0", "corrected", _LATER)],
         [("6.8", "final", ""), ("5.0", "corrected", _UNMATCHED)]),
        ("a withdrawal of the only result",
         [("6.8", "final", _8), ("6.8", "entered-in-error", _14)],
         [("6.8", "entered-in-error", "")]),
        ("a withdrawal without a date of the only result, twice, then that result again",
         [("6.8", "final", _8), ("6.8", "cancelled", ""), ("6.8", "cancelled", ""),
          ("6.8", "final", _8)], [("6.8", "cancelled", "")]),
        ("a withdrawal without a date that fits two changes neither",
         [("6.8", "final", _8), ("4.0", "final", _14), ("4.0", "cancelled", "")],
         [("6.8", "final", ""), ("4.0", "final", ""), ("4.0", "cancelled", _UNMATCHED)]),
        ("a withdrawal that fits two changes neither",
         [("6.8", "final", _8), ("4.0", "final", _14), ("4.0", "cancelled", "2011-04-20T10:00")],
         [("6.8", "final", ""), ("4.0", "final", ""), ("4.0", "cancelled", _UNMATCHED)]),
        ("replayed after its correction, the old one changes nothing",
         [("6.8", "final", _8), ("4.8", "corrected", _8), ("6.8", "final", _8)],
         [("4.8", "corrected", "")]),
        ("nor does a first correction after a second one",
         [("6.8", "final", _8), ("4.8", "corrected", _8), ("4.7", "corrected", _8),
          ("4.8", "corrected", _8)], [("4.7", "corrected", "")]),
        ("what was withdrawn stays withdrawn when it is sent again",
         [("6.8", "final", _8), ("6.8", "entered-in-error", _8), ("6.8", "final", _8)],
         [("6.8", "entered-in-error", "")]),
        ("an older version that comes late",
         [("4.8", "final", _8, "22"), ("6.8", "final", _8, "21")], [("4.8", "final", "")]),
    ],
)  # fmt: skip
def test_what_is_current(
    why: str, sent: Sequence[Sent], current: list[tuple[str, str, str]]
) -> None:
    assert _stored(sent) == current, why


@pytest.mark.parametrize("other", ["LABB|2823-3", "LABA|6298-4", "LABA|2823-3|2", "", "#r2"])
def test_a_number_is_unique_within_its_scope_only(other: str) -> None:
    """What one source replaced, corrected or sent under the number says nothing of another's."""
    matcher, issued = Matcher(_NAMES), ("20",)
    for sent in (("6.8", "final", _8), ("4.0", "corrected", _8)):
        matcher.match(_result(sent, source_scope="LABA|2823-3"))
    for time in (_8, _14):
        assert not matcher.match(
            _result(("6.8", "final", time, *issued), source_scope=other)
        ).ignored
    found = flag_doubts(matcher.current(), _NAMES)
    assert sorted(r.value.text for r in found if r.value) == ["4.0", "6.8", "6.8"]


def test_resources_of_two_servers_do_not_mix() -> None:
    matcher = Matcher(_NAMES)
    for server, time, issued in (("a", _8, "20"), ("b", _8, "20"), ("a", _14, "21")):
        scope = f"https://{server}.example/fhir/"
        matcher.match(_result(("6.8", "final", time, issued), source_scope=scope))
    times = [v.result.collected.text for v in matcher.current() if v.result.collected]
    assert sorted(times) == [_8, _14]


def test_what_was_stored_without_a_scope_is_found_again() -> None:
    """Version 0.1 stored no scope: a resend by a sender that has one doubles nothing."""
    matcher = Matcher(_NAMES)
    old = matcher.match(_result(("6.8", "final", _8), source_scope=None))
    again = matcher.match(_result(("6.8", "final", _8)))
    assert (again.identity, again.version) == (old.identity, None)


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("LAB|2823-3||", "LAB|2823-3|"),  # before 0.2.0, with OBX-21 behind a third bar
        ("LAB|2823-3|1|77", f"LAB|2823-3|1{OWN_NUMBER}77"),
        ("LAB|2823-3|1", "LAB|2823-3|1"),
        ("https://ehr.example/fhir/", "https://ehr.example/fhir/"),
        (None, None),
    ],
)
def test_scopes_are_read_however_they_were_once_written(
    stored: str | None, sent: str | None
) -> None:
    version = Version("1", 1, _result(("6.8", "final", _8), source_scope=stored))
    kept = read_version(version_row(version, 1, 1, datetime.now(UTC)))
    assert kept.result.source_scope == sent


def test_a_resource_of_a_server_is_one_whatever_its_time() -> None:
    base = {"source_scope": "https://ehr.example/fhir"}
    newer = [("6.8", "final", _8, "20"), ("4.0", "final", _14, "21")]
    assert _stored(newer, **base) == [("4.0", "final", "")]
    assert _stored(newer[::-1], **base) == [("4.0", "final", "")]


_FIRST, _SECOND = "2011-10-30T02:30+02:00", "2011-10-30T02:30+01:00"


@pytest.mark.parametrize(
    ("why", "sent", "current"),
    [
        ("the hour that is repeated when summer time ends: two times",
         [("6.8", "final", _FIRST), ("4.0", "final", _SECOND)],
         [("6.8", "final", ""), ("4.0", "final", "")]),
        ("each of which is corrected by itself",
         [("6.8", "final", _FIRST), ("4.0", "final", _SECOND), ("6.6", "corrected", _FIRST)],
         [("6.6", "corrected", ""), ("4.0", "final", "")]),
        ("a time without an offset may be that of one with it",
         [("6.8", "preliminary", "2011-10-30T02:30"), ("6.6", "final", _FIRST)],
         [("6.6", "final", "")]),
        ("the same offset in another spelling is no other",
         [("6.8", "final", "2011-10-30T02:30Z"), ("6.6", "corrected", "2011-10-30T02:30+0000")],
         [("6.6", "corrected", "")]),
    ],
)  # fmt: skip
def test_the_hour_that_comes_twice(
    why: str, sent: Sequence[Sent], current: list[tuple[str, str, str]]
) -> None:
    assert _stored(sent) == current, why
    assert _stored([*sent, *sent]) == current, why


def test_two_times_of_one_message_in_the_hour_that_comes_twice() -> None:
    pair = [_result(("6.8", "final", _FIRST)), _result(("4.0", "final", _SECOND))]
    assert [twin for _, twin in twins(pair, _NAMES)] == [False, False]
    unknown = [*pair, _result(("3.1", "final", "2011-10-30T02:30"))]
    assert [twin for _, twin in twins(unknown, _NAMES)] == [True, True, True]


@pytest.mark.parametrize(
    ("why", "sent", "current"),
    [
        ("two own numbers are two results",
         [("X", "6.8", "final"), ("Y", "4.0", "final")], ["4.0 final", "6.8 final"]),
        ("a correction finds its own one of them",
         [("X", "6.8", "final"), ("Y", "4.0", "final"), ("Y", "4.2", "corrected")],
         ["4.2 corrected", "6.8 final"]),
        ("one that became shared with another test is passed over, and the result is found",
         [("X", "6.8", "final"), ("", "6.6", "corrected")], ["6.6 corrected"]),
        ("so it is where the number was shared at first",
         [("", "6.8", "final"), ("X", "6.6", "corrected"), ("X", "6.6", "corrected")],
         ["6.6 corrected"]),
        ("without an own number it may be either: both stay",
         [("X", "6.8", "final"), ("Y", "4.0", "final"), ("", "4.2", "corrected")],
         ["4.0 final", "4.2 corrected", "6.8 final"]),
        ("sent again with and without it, nothing changes",
         [("X", "6.8", "final"), ("", "6.8", "final"), ("X", "6.8", "final")], ["6.8 final"]),
    ],
)  # fmt: skip
def test_the_own_number_of_a_result(
    why: str, sent: Sequence[tuple[str, str, str]], current: list[str]
) -> None:
    """OBX-21, beside the number of the order; every result is of one time."""
    matcher = Matcher(_NAMES)
    for own, value, status in sent:
        scope = f"LAB|2823-3|{OWN_NUMBER if own else ''}{own}"
        matcher.match(_result((value, status, _8), source_scope=scope))
    found = [v.result for v in matcher.current()]
    assert sorted(f"{r.value.text} {r.status}" for r in found if r.value) == current, why


def _all(*sent: Sent, own: Sequence[str] = ()) -> list[LabResult]:
    """Return the results of one message, with own numbers where there are any."""
    scopes = [f"LAB|2823-3|{OWN_NUMBER}{number}" for number in own] or ["LAB|2823-3|"] * len(sent)
    return [_result(one, source_scope=scope) for one, scope in zip(sent, scopes, strict=True)]


def _after(*messages: list[LabResult]) -> list[str]:
    """Return what is active after these messages."""
    matcher = Matcher(_NAMES)
    for message in messages:
        matcher.match_all(twins(message, _NAMES))
    active = [v.result for v in matcher.current() if v.result.status not in WITHDRAWN]
    return sorted(f"{r.value.text} {r.status}" for r in active if r.value)


_P, _F = ("6.8", "preliminary", _8), ("4.0", "final", _14)


@pytest.mark.parametrize(
    ("why", "before", "message", "active"),
    [
        ("a preliminary and a final one of two times: two results", [],
         _all(_P, _F), ["4.0 final", "6.8 preliminary"]),
        ("also where the preliminary one is stored", [_all(_P)],
         _all(_P, _F), ["4.0 final", "6.8 preliminary"]),
        ("a correction of another time does not mean what its own message repeats",
         [_all(("4.0", "final", _14))],
         _all(("4.0", "final", _14), ("6.6", "corrected", _8)), ["4.0 final", "6.6 corrected"]),
        ("two final ones of other times: which of them completes the preliminary is not known",
         [_all(_P)], _all(_F, ("4.1", "final", "2011-04-21")),
         ["4.0 final", "4.1 final", "6.8 preliminary"]),
        ("a final one of its time goes before one of another", [_all(_P)],
         _all(("6.7", "final", _8), _F), ["4.0 final", "6.7 final"]),
        ("two own numbers where one result was stored without one",
         [_all(("6.8", "final", _8))],
         _all(("6.8", "final", _8), ("4.0", "final", _8), own="XY"), ["4.0 final", "6.8 final"]),
    ],
)  # fmt: skip
def test_the_order_within_a_message_does_not_matter(
    why: str, before: list[list[LabResult]], message: list[LabResult], active: list[str]
) -> None:
    for order in permutations(message):
        assert _after(*before, [*order]) == active, why
        assert _after(*before, [*order], message) == active, f"{why}; sent again"


@pytest.mark.parametrize("status", ["corrected", "cancelled", "final"])
def test_what_was_issued_earlier_changes_nothing_of_another_time(status: str) -> None:
    """It cannot speak of a result that was not there yet."""
    later = ("4.0", "preliminary" if status == "final" else "final", _14, "22")
    found = _after(_all(later), _all(("6.8", status, _8, "21")))
    assert f"4.0 {later[1]}" in found
    assert _after(_all(later), _all(("6.8", status, _8, "23"))) != found


@pytest.mark.parametrize("scope", ["https://ehr.example/fhir/", ""])
@pytest.mark.parametrize("issued", [(), ("20",)])
def test_a_later_version_of_a_resource_counts_in_any_order(
    scope: str, issued: tuple[str, ...]
) -> None:
    """By ``meta.versionId``, also where the time of issue is not known, or the same."""
    versions = [(2, "6.8", _8), (10, "4.0", _8)]
    for order in permutations(versions):
        matcher = Matcher(_NAMES)
        for number, value, time in order:
            sent = _result((value, "final", time, *issued), source_scope=scope)
            matcher.match(replace(sent, server_version=number))
        assert [v.result.value.text for v in matcher.current() if v.result.value] == ["4.0"]


def test_two_values_of_one_message_and_time_are_both_kept() -> None:
    pair = [_result(("6.8", "final", _8)), _result(("4.0", "final", _8))]
    for _ in range(2):  # sent again, they are the same two
        matcher = Matcher(_NAMES)
        for result, twin in [*twins(pair, _NAMES), *twins(pair, _NAMES)]:
            matcher.match(result, twin=twin)
        found = flag_doubts(matcher.current(), _NAMES)
        assert [r.flags for r in found] == [("two-values-one-time",)] * 2
    corrected = [*pair, _result(("4.2", "corrected", _8))]
    assert [r.value.text for r, _ in twins(corrected, _NAMES) if r.value] == ["4.2"]


_SENT = st.tuples(
    st.sampled_from(["6.8", "4.0"]),
    st.sampled_from(["preliminary", "final", "corrected", "entered-in-error"]),
    st.sampled_from([_8, _14, _DAY]),
)


@settings(max_examples=200)
@given(st.lists(_SENT, max_size=6))
def test_what_is_sent_again_in_the_same_order_changes_nothing(sent: list[Sent]) -> None:
    """Each result settles on what it was, also where corrections lie between."""
    once = _stored(sent)
    values = {value for value, *_ in once}
    assert values == {value for value, *_ in _stored([*sent, *sent[-1:]])}
    assert len(_stored([*sent, *sent[-1:]])) == len(once)


def test_finals_of_two_times_are_two_in_any_order() -> None:
    for sent in permutations([("6.8", "final", _8), ("4.0", "final", _14)]):
        assert {value for value, *_ in _stored(sent)} == {"6.8", "4.0"}


@pytest.mark.parametrize("per_time", [1, 1000])
def test_thousands_of_results_under_one_number_cost_no_more_each(per_time: int) -> None:
    """An order's number may stand on every result of a stay. Calls are counted, not seconds."""

    def calls(n: int) -> int:
        minutes = (i // per_time for i in range(n))
        times = (f"2011-04-{m % 28 + 1:02}T{m // 28 % 24:02}:{m // 672:02}" for m in minutes)
        results = [_result((f"{i}.5", "final", at)) for i, at in enumerate(times)]
        count = 0

        def profile(_frame: object, _event: str, _argument: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(profile)
        matcher = Matcher(_NAMES)
        for result, twin in twins(results, _NAMES):
            matcher.match(result, twin=twin)
        flag_doubts(matcher.current(), _NAMES)
        sys.setprofile(None)
        return count

    assert calls(1000) < 2.5 * calls(500)


@pytest.mark.parametrize(
    ("why", "then", "values"),
    [
        ("a withdrawal of a value", [("4.0", "cancelled", _8)], ["6.8"]),
        ("sent again", [("4.0", "cancelled", _8), ("4.0", "final", _8)], ["6.8"]),
        ("a correction that keeps the value", [("6.8", "corrected", _8)], ["4.0", "6.8"]),
        ("a correction that may mean either", [("4.1", "corrected", _8)], ["4.0", "4.1", "6.8"]),
        ("a third value", [("4.1", "final", _8)], ["4.0", "4.1", "6.8"]),
        ("after a withdrawal one is left",
         [("4.0", "cancelled", _8), ("6.7", "corrected", _8)], ["6.7"]),
    ],
)  # fmt: skip
def test_after_two_values_of_one_time(why: str, then: Sequence[Sent], values: list[str]) -> None:
    matcher = Matcher(_NAMES)
    for result, twin in twins([_result((v, "final", _8)) for v in ("4.0", "6.8")], _NAMES):
        matcher.match(result, twin=twin)
    for sent in then:
        matcher.match(_result(sent))
    current = [v.result for v in matcher.current() if v.result.status not in WITHDRAWN]
    assert sorted(r.value.text for r in current if r.value) == values, why


def test_a_withdrawn_one_of_two_values_stays_so_when_their_message_is_sent_again() -> None:
    pair = [_result((value, "final", _8)) for value in ("4.0", "6.8")]
    matcher = Matcher(_NAMES)
    for sent in (pair, [_result(("4.0", "cancelled", _8))], pair):
        for result, twin in twins(sent, _NAMES):
            matcher.match(result, twin=twin)
    found = sorted(
        (v.result.value.text, v.result.status) for v in matcher.current() if v.result.value
    )
    assert found == [("4.0", "cancelled"), ("6.8", "final")]
