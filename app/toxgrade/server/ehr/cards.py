"""CDS Hooks cards: of each term the latest result, if its grade or what it may be matters."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

from toxgrade.criteria.model import Edition
from toxgrade.fhir.results import Observed
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names
from toxgrade.server.ehr.grade_bundle import Answers, Graded

Card = dict[str, Any]

_LONGEST_SUMMARY = 139  # the specification asks for fewer than 140
_NO_NEWS = ("not-final", "missing-value")  # an earlier number says more than these
_SERIOUS = 3
_PHASES = {
    "pre_treatment": "before radiotherapy",
    "baseline": "baseline of radiotherapy",
    "acute": "acute",
    "late": "late",
    "unknown": "acute or late not known",
}
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#&])")


@dataclass(frozen=True, slots=True)
class _Latest:
    """The latest result of a term, and the highest grade after the start of treatment."""

    lab: LabResult
    graded: Graded
    highest: tuple[int, str] | None


def cards(
    observed: Sequence[Observed], answers: Answers, edition: Edition, names: Names, link: str
) -> list[Card]:
    """By the latest result of each term: at least grade 2 info, 3 warning, 4 critical; and info
    where an undecided result could reach 3. Those worse than baseline come first, then the higher.
    """
    latest = [one for found in _by_term(observed, answers) if (one := _latest(found))]
    shown = [(one, indicator) for one in latest if (indicator := _indicator(one.graded))]
    shown.sort(key=lambda pair: _order(pair[0].graded))
    return [_card(one, indicator, edition, names, link) for one, indicator in shown]


def notice(summary: str, detail: str, edition: Edition) -> Card:
    """A card about the request itself."""
    return _frame(summary, detail, "info", edition)


def _by_term(
    observed: Sequence[Observed], answers: Answers
) -> Iterable[list[tuple[LabResult, Graded]]]:
    found: dict[str, list[tuple[LabResult, Graded]]] = {}
    for one, grades in zip(observed, answers, strict=True):
        for graded in grades:
            if one.lab and graded.term:
                found.setdefault(graded.term.name, []).append((one.lab, graded))
    return found.values()


def _latest(found: Sequence[tuple[LabResult, Graded]]) -> _Latest | None:
    """The result of the newest day: its latest if all are timed, else its worst."""
    news = [(lab, graded) for lab, graded in found if graded.reason not in _NO_NEWS]
    if not news:
        return None
    newest = max(_day(lab) for lab, _ in news)
    of_day = [(lab, graded) for lab, graded in news if _day(lab) == newest]
    times = [lab.collected.time for lab, _ in of_day if lab.collected and lab.collected.time]
    if len(times) == len(of_day):
        last = max(times)
        of_day = [one for one, at in zip(of_day, times, strict=True) if at == last]
    lab, graded = max(of_day, key=lambda pair: _severity(pair[1]))
    before = [
        (g.at_least, past.collected.text)
        for past, g in found
        if g.phase in ("acute", "late") and g.at_least is not None and past.collected
    ]
    return _Latest(lab, graded, max(before, default=None, key=lambda pair: pair[0]))


def _day(lab: LabResult) -> date:
    return lab.collected.last if lab.collected else date.min


def _severity(graded: Graded) -> tuple[int, int]:
    most = _SERIOUS if graded.at_most is None else graded.at_most
    return graded.at_least or 0, most


def _indicator(graded: Graded) -> str | None:
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


def _order(graded: Graded) -> tuple[bool, int, str]:
    name = graded.term.name if graded.term else ""
    return not graded.worse_than_baseline, -(graded.at_least or 0), name


def _card(one: _Latest, indicator: str, edition: Edition, names: Names, link: str) -> Card:
    graded, value = one.graded, _value(one.lab, names)
    assert graded.term is not None
    if graded.grade is not None:
        grade = f"Grade {graded.grade}"
    else:
        grade = f"Undecided grade, at least {graded.at_least or 0}"
        grade += f", at most {graded.at_most}" if graded.at_most is not None else ""
    summary = f"{grade}: {graded.term.name} ({', '.join([*value, _since(graded)])})"
    detail = "\n".join(f"- {_plain(line)}" for line in _lines(one, edition))
    card = _frame(summary, detail, indicator, edition)
    return card | {"links": [{"label": "All grades of this patient", "url": link,
                              "type": "absolute"}]}  # fmt: skip


def _frame(summary: str, detail: str, indicator: str, edition: Edition) -> Card:
    if len(summary) > _LONGEST_SUMMARY:
        summary = f"{summary[: _LONGEST_SUMMARY - 1]}…"
    return {
        "uuid": str(uuid4()),
        "summary": summary,
        "detail": detail,
        "indicator": indicator,
        "source": {"label": f"Toxgrade, {edition.label}, US National Cancer Institute"},
    }


def _value(lab: LabResult, names: Names) -> list[str]:
    """The value in a unit that is known; a sender's own words are not repeated."""
    analyte = names.analyte(lab.analyte)
    unit = names.unit(analyte, lab.unit) if analyte and lab.unit else None
    return [f"{lab.value.text} {unit.name}"] if lab.value and unit else []


def _since(graded: Graded) -> str:
    phase, days = _PHASES[graded.phase], graded.days_from_end
    if days is None or graded.phase not in ("acute", "late"):
        return phase
    if days < 0:
        return f"{phase}, on radiotherapy"
    return f"{phase}, {days} days since radiotherapy"


def _lines(one: _Latest, edition: Edition) -> Iterator[str]:
    graded, collected = one.graded, one.lab.collected
    if collected:
        yield f"Taken {collected.text}: {_since(graded)}"
    yield graded.because
    if graded.criterion:
        yield f"{edition.label}, grade {graded.grade}: {graded.criterion}"
    if graded.reason:
        yield f"Not decided: {graded.reason}"
    compared = {True: "worse than baseline", False: "not worse than baseline", None: None}[
        graded.worse_than_baseline
    ]
    known = None if graded.baseline_grade is None else f"baseline grade {graded.baseline_grade}"
    if said := [part for part in (known, compared) if part]:
        yield "; ".join(said).capitalize()
    if one.highest and one.highest[0] > (graded.at_least or 0):
        yield f"Highest since radiotherapy began: grade {one.highest[0]} on {one.highest[1]}"
    if graded.flags:
        yield f"Flags: {', '.join(graded.flags)}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: 10*9/L is no emphasis."""
    return _MARKDOWN.sub(r"\\\1", text)
