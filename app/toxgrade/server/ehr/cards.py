"""CDS Hooks cards: the latest result of each term, if its grade is, or may be, of concern."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from toxgrade.criteria.model import Edition
from toxgrade.fhir.elements import OWN
from toxgrade.fhir.results import Observed
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names
from toxgrade.server.ehr.cds_answers import (
    Card,
    CardLink,
    CardSource,
    Indicator,
    OverrideReason,
    ToxicityCard,
)
from toxgrade.server.ehr.grade_bundle import Answers
from toxgrade.server.runtime import Runtime

_MAX_SUMMARY = 139  # The specification asks for fewer than 140 characters.
_UNINFORMATIVE = ("not-final", "missing-value")  # An earlier number says more than such a result.
_SERIOUS = 3
_PHASES = {
    "pre_treatment": "before radiotherapy",
    "baseline": "baseline of radiotherapy",
    "acute": "acute",
    "late": "late",
    "unknown": "acute or late not known",
}
_OVERRIDE_REASONS = (
    ("already-known", "Already known or being treated"),
    ("not-from-radiotherapy", "Has another cause than radiotherapy"),
    ("doubtful-result", "The result is doubtful"),
)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#&])")


@dataclass(frozen=True, slots=True)
class _Latest:
    """The latest result of a term, and its highest acute or late grade with its date."""

    lab: LabResult
    graded: GradeRow
    highest: tuple[int, str] | None


def cards(
    observed: Sequence[Observed], answers: Answers, edition: Edition, names: Names, link: str,
    runtime: Runtime,
) -> list[Card]:  # fmt: skip
    """Return a card for each term whose latest result is of concern.

    The lowest grade that it allows decides: 2 gives info, 3 warning, 4 or 5 critical. An undecided
    result that may be grade 3 gives info. Those worse than baseline come first, then higher grades.
    """
    latest = [one for found in _by_term(observed, answers) if (one := _latest(found))]
    shown = [(one, indicator) for one in latest if (indicator := _indicator(one.graded))]
    shown.sort(key=lambda pair: _order(pair[0].graded))
    return [_card(one, indicator, edition, names, link, runtime) for one, indicator in shown]


def notice(summary: str, detail: str, edition: Edition, runtime: Runtime) -> Card:
    """Return a card about the request itself."""
    return _frame(summary, detail, "info", edition, runtime)


def _by_term(
    observed: Sequence[Observed], answers: Answers
) -> Iterable[list[tuple[LabResult, GradeRow]]]:
    """Return the results of each term with their grades, in the order of the values."""
    found: dict[str, list[tuple[LabResult, GradeRow]]] = {}
    for one, grades in zip(observed, answers, strict=True):
        for graded in grades:
            if one.lab and graded.term:
                found.setdefault(graded.term, []).append((one.lab, graded))
    return found.values()


def _latest(found: Sequence[tuple[LabResult, GradeRow]]) -> _Latest | None:
    """Return the newest result; where nothing is certain of it, the newest with bounds if worse.

    An unknown unit or another specimen (urine) must not hide the grade 4 of the day before.
    """
    informative = [(lab, graded) for lab, graded in found if graded.reason not in _UNINFORMATIVE]
    if not informative:
        return None
    bounded = [(lab, graded) for lab, graded in informative if graded.at_most is not None]
    newest = [one for each in (informative, bounded) if each for one in _newest(each)]
    lab, graded = max(newest, key=lambda pair: _severity(pair[1]))
    since_start = [
        (g.at_least, past.collected.text)
        for past, g in found
        if g.phase in ("acute", "late") and g.at_least is not None and past.collected
    ]
    return _Latest(lab, graded, max(since_start, default=None, key=lambda pair: pair[0]))


def _newest(found: Sequence[tuple[LabResult, GradeRow]]) -> list[tuple[LabResult, GradeRow]]:
    """Return the results of the last instant where all have one, else of the newest day.

    Of a day it is the last one if all have a time of one offset, else all of that day.
    """
    instants = [_written(lab) for lab, _ in found]
    if all(at and at.tzinfo for at in instants):
        return _last(found, [at for at in instants if at])
    same_day = _last(found, [_day(lab) for lab, _ in found])
    times = [at for lab, _ in same_day if (at := _written(lab))]
    if len(times) == len(same_day) and len({at.utcoffset() for at in times}) == 1:
        return _last(same_day, times)
    return same_day


def _last(
    found: Sequence[tuple[LabResult, GradeRow]], times: Sequence[date]
) -> list[tuple[LabResult, GradeRow]]:
    last = max(times)
    return [one for one, at in zip(found, times, strict=True) if at == last]


def _written(lab: LabResult) -> datetime | None:
    """Return the time as written, with its offset if it has one; None: only a date is known."""
    at = lab.collected
    return datetime.fromisoformat(at.text) if at and at.time is not None else None


def _day(lab: LabResult) -> date:
    return lab.collected.last if lab.collected else date.min


def _severity(graded: GradeRow) -> tuple[int, int]:
    most = _SERIOUS if graded.at_most is None else graded.at_most
    return graded.at_least or 0, most


def _indicator(graded: GradeRow) -> Indicator | None:
    match graded.at_least or 0:
        case 0 | 1:
            may_be_serious = graded.grade is None and _severity(graded)[1] >= _SERIOUS
            return "info" if may_be_serious else None
        case 2:
            return "info"
        case 3:
            return "warning"
        case _:
            return "critical"


def _order(graded: GradeRow) -> tuple[bool, int, str]:
    return not graded.worse_than_baseline, -(graded.at_least or 0), graded.term or ""


def _card(
    one: _Latest, indicator: Indicator, edition: Edition, names: Names, link: str, runtime: Runtime
) -> ToxicityCard:
    graded, value = one.graded, _value(one.lab, names)
    if graded.grade is not None:
        grade = f"Grade {graded.grade}"
    else:
        grade = f"Undecided grade, at least {graded.at_least or 0}"
        grade += f", at most {graded.at_most}" if graded.at_most is not None else ""
    summary = f"{grade}: {graded.term} ({', '.join([*value, _phase_text(graded)])})"
    detail = "\n".join(f"- {_escape_markdown(line)}" for line in _lines(one, edition))
    return ToxicityCard(
        **vars(_frame(summary, detail, indicator, edition, runtime)),
        override_reasons=[OverrideReason(OWN, *reason) for reason in _OVERRIDE_REASONS],
        links=[CardLink("All grades of this patient", link, "absolute")],
    )


def _frame(
    summary: str, detail: str, indicator: Indicator, edition: Edition, runtime: Runtime
) -> Card:
    if len(summary) > _MAX_SUMMARY:
        summary = f"{summary[: _MAX_SUMMARY - 1]}…"
    source = CardSource(f"Toxgrade, {edition.label}, US National Cancer Institute")
    return Card(str(runtime.uuid()), summary, detail, indicator, source)


def _value(lab: LabResult, names: Names) -> list[str]:
    """Return the value if its unit is known, else nothing: a sender's words are not repeated."""
    analyte = names.analyte(lab.analyte)
    unit = names.unit(analyte, lab.unit) if analyte and lab.unit else None
    return [f"{lab.value.text} {unit.name}"] if lab.value and unit else []


def _phase_text(graded: GradeRow) -> str:
    phase, days = _PHASES[graded.phase], graded.days_from_end
    if days is None or graded.phase not in ("acute", "late"):
        return phase
    if days < 0:
        return f"{phase}, on radiotherapy"
    return f"{phase}, {days} days since radiotherapy"


def _lines(one: _Latest, edition: Edition) -> Iterator[str]:
    """Yield the lines of a card's detail."""
    graded, collected = one.graded, one.lab.collected
    if collected:
        yield f"Taken {collected.text}: {_phase_text(graded)}"
    yield graded.because
    if graded.criterion:
        yield f"{edition.label}, grade {graded.grade}: {graded.criterion}"
    if graded.reason:
        yield f"Not decided: {graded.reason}"
    compared = {True: "worse than baseline", False: "not worse than baseline", None: None}[
        graded.worse_than_baseline
    ]
    baseline = None if graded.baseline_grade is None else f"baseline grade {graded.baseline_grade}"
    if parts := [part for part in (baseline, compared) if part]:
        yield "; ".join(parts).capitalize()
    if one.highest and one.highest[0] > (graded.at_least or 0):
        yield f"Highest since radiotherapy began: grade {one.highest[0]} on {one.highest[1]}"
    if graded.flags:
        yield f"Flags: {', '.join(graded.flags)}"


def _escape_markdown(text: str) -> str:
    """Return text escaped for Markdown, which would read the star of 10*9/L as emphasis."""
    return _MARKDOWN.sub(r"\\\1", text)
