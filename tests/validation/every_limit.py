"""The case tables that try every limit: ``python -m tests.validation.every_limit`` writes them.

Where a value is tried follows from the limits of the criteria; what grade it must have is found
here in fractions, apart from both graders, for every number that what is missing may be.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from pathlib import Path

from tests.grading.typical import TYPICAL
from toxgrade.criteria.model import Condition, Edition, Limit, Term
from toxgrade.criteria.reader import load

CASES = Path(__file__).parents[2] / "app/toxgrade/validation/cases"
_HEADER = (
    "edition", "analyte", "value", "unit", "lln", "uln", "limit_unit", "baseline", "baseline_unit",
    "term", "grade", "reason", "why",
)  # fmt: skip
_CRITERIA = load()
_NORMAL = {"high": Fraction(3, 4), "low": Fraction(3, 2)}
_ABNORMAL = {"high": Fraction(5, 4), "low": Fraction(4, 5)}
"""Baselines as multiples of the limit of normal that a term looks at."""
_FINE = {"sodium": Fraction(1, 10), "pH": Fraction(1, 100)}
"""The step between values of tests that vary little."""
_TINY, _HUGE = Fraction(1, 10**9), Fraction(10**9)
_PRINTED = {
    ("CD4", "/mm3"): ("500", "1500"), ("cholesterol", "mg/dL"): ("110", "200"),
    ("fibrinogen", "mg/dL"): ("200", "400"), ("hemoglobin", "g/dL"): ("12", "16"),
    ("hemoglobin", "mmol/L"): ("7.4", "9.9"), ("lymphocytes", "/mm3"): ("1000", "4000"),
    ("neutrophils", "/mm3"): ("2000", "7000"), ("platelets", "/mm3"): ("150000", "400000"),
    ("WBC", "/mm3"): ("4000", "10000"), ("corrected calcium", "mg/dL"): ("8.5", "10.5"),
    ("calcium", "mg/dL"): ("8.5", "10.5"), ("fasting glucose", "mg/dL"): ("70", "100"),
    ("glucose", "mg/dL"): ("70", "100"), ("magnesium", "mg/dL"): ("1.7", "2.4"),
    ("triglycerides", "mg/dL"): ("40", "150"), ("uric acid", "mg/dL"): ("3.4", "7"),
    ("uric acid", "mmol/L"): ("0.2", "0.42"), ("albumin", "g/dL"): ("3.5", "5"),
    ("phosphate", "mg/dL"): ("2.5", "4.5"),
}  # fmt: skip
"""LLN and ULN as laboratories print them in other units than the canonical one of ``TYPICAL``."""


@dataclass(frozen=True)
class _Known:
    """The numbers of one case in one unit; None: missing. ``normal``: the baseline was, by its own
    range; None: by the value's range.
    """

    value: Fraction
    lln: Fraction | None
    uln: Fraction | None
    baseline: Fraction | None
    normal: bool | None = None

    def number(self, name: str) -> Fraction:
        found = {"value": self.value, "ULN": self.uln, "LLN": self.lln, "baseline": self.baseline}
        number = found[name]
        assert number is not None, "what is missing was completed"
        return number


def rows(edition: Edition) -> Iterator[tuple[str, ...]]:
    """Yield the rows of an edition's table."""
    for term in edition.terms:
        for unit in _units(term):
            for row in _term_rows(term, unit):
                yield (edition.name, *row)


def _units(term: Term) -> list[str]:
    """Return the units in which limits are printed; the canonical one where none is absolute."""
    limits = [limit for criterion in term.grades for limit in criterion.limits]
    absolute = {limit.unit for limit in limits if limit.reference is None and limit.unit}
    canonical = {_CRITERIA.analytes[term.analyte].units[0].name}
    return sorted((absolute or canonical) | {limit.unit for limit in limits if limit.unit})


def _term_rows(term: Term, unit: str) -> Iterator[tuple[str, ...]]:
    printed = _printed(term.analyte, unit)
    lln, uln = map(Fraction, printed)
    middle = (lln + uln) / 2
    anchor = uln if term.direction == "high" else lln
    baselines: list[Fraction | None]
    baselines = [anchor * times[term.direction] for times in (_NORMAL, _ABNORMAL)]
    asked = {c.limit for g in term.grades for one in g.limits if (c := one.condition)}
    if term.direction == "high" and "LLN" in asked:
        baselines.append(lln * _ABNORMAL["low"])
    if not term.uses_baseline:
        baselines = [None]
    for baseline in baselines:
        known = _Known(middle, lln, uln, baseline)
        bounds = _bounds(term, unit, known, meeting=True)
        for bound, text in bounds:
            step = _step(bound, term.analyte)
            sides = (("just below", -step), ("", Fraction(0)), ("just above", step))
            for side, by in sides if term.direction == "high" else sides[::-1]:
                why = f"{side} {text}" if side else f"{text} itself"
                yield _row(term, unit, printed, replace(known, value=bound + by), why)
    yield from _incomplete(term, unit, printed, _Known(middle, lln, uln, baselines[0]))


def _printed(analyte: str, unit: str) -> tuple[str, str]:
    """Return the LLN and ULN; raise ``KeyError`` where no range is given here for the unit."""
    canonical = _CRITERIA.analytes[analyte].units[0].name
    return TYPICAL[analyte] if unit == canonical else _PRINTED[analyte, unit]


def _incomplete(
    term: Term, unit: str, printed: tuple[str, str], known: _Known
) -> Iterator[tuple[str, ...]]:
    """Yield rows beyond every limit, and one in the middle, without what the term needs."""
    sign = 1 if term.direction == "high" else -1
    values = {known.value} | {
        bound + sign * _step(bound, term.analyte)
        for bound, _ in _bounds(term, unit, known, meeting=False)
    }
    beyond = sorted(values, reverse=sign < 0)
    if term.uses_baseline:
        without, why = replace(known, baseline=None), "no baseline"
    elif sign > 0:
        without, why, printed = replace(known, uln=None), "no ULN", (printed[0], "")
    else:
        without, why, printed = replace(known, lln=None), "no LLN", ("", printed[1])
    if not term.uses_baseline:  # The middle comes first, wherever it lies.
        beyond = [known.value, *(value for value in beyond if value != known.value)]
    for value in beyond:
        case = replace(without, value=value)
        one_uln = term.one_uln and _grades(term, unit, case) != _grades(
            replace(term, one_uln=False), unit, case
        )
        yield _row(term, unit, printed, case, why + ", and one ULN" * one_uln)


def _bounds(term: Term, unit: str, known: _Known, *, meeting: bool) -> list[tuple[Fraction, str]]:
    """Return the limits of a term as numbers, by size and each once; with ``meeting`` only those
    whose condition on the baseline is met.
    """
    found: dict[Fraction, str] = {}
    for criterion in term.grades:
        for limit in criterion.limits:
            condition = limit.condition
            asked = condition is not None and condition.subject == "baseline"
            if not _is_printed(limit, unit) or (
                meeting and asked and not _is_met(condition, known)
            ):
                continue
            found.setdefault(_bound(limit, term, unit, known), _told(limit))
    return sorted(found.items(), reverse=term.direction == "low")


def _told(limit: Limit) -> str:
    """Return a limit as text: ``ULN`` for ``1 x ULN``, ``10 g/dL`` for ``10.0 g/dL``."""
    text = limit.text.removeprefix("1 x ")
    return re.sub(r"[0-9]+\.[0-9]+", lambda number: _text(Fraction(number[0])), text)


def _is_printed(limit: Limit, unit: str) -> bool:
    return limit.reference is not None or limit.unit in (None, unit)


def _bound(limit: Limit, term: Term, unit: str, known: _Known) -> Fraction:
    amount = Fraction(limit.amount)
    if limit.unit and limit.unit != unit:
        analyte = _CRITERIA.analytes[term.analyte]
        amount *= analyte.unit(limit.unit).factor / analyte.unit(unit).factor
    if limit.reference is None:
        return amount
    reference = known.number(limit.reference)
    return Fraction(limit.multiple) * reference + amount


def _is_met(condition: Condition | None, known: _Known) -> bool:
    if condition is None:
        return True
    if condition.subject == "baseline" and known.normal is not None:
        return known.normal is not condition.wants_beyond
    left, right = known.number(condition.subject), known.number(condition.limit)
    compared = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
    return compared[condition.comparison]


def _grades(term: Term, unit: str, known: _Known) -> tuple[int, int]:
    """Return the lowest and the highest grade over all numbers that what is missing may be."""
    grades = [_grade(term, unit, whole) for whole in _completed(term, unit, known)]
    return min(grades), max(grades)


def _completed(term: Term, unit: str, known: _Known) -> Iterator[_Known]:
    llns = [_TINY * 0, _HUGE] if known.lln is None else [known.lln]
    ulns = [_TINY, _HUGE] if known.uln is None else [known.uln]
    for lln, uln in product(llns, ulns):
        whole = replace(known, lln=lln, uln=uln)
        if known.baseline is not None or not term.uses_baseline:
            yield whole
            continue
        around = {lln, uln, known.value, _TINY, _HUGE}
        for criterion in term.grades:
            for limit in criterion.limits:
                if limit.reference == "baseline":
                    at_zero = _bound(limit, term, unit, replace(whole, baseline=Fraction(0)))
                    around.add((known.value - at_zero) / Fraction(limit.multiple))
        for number, normal in product(sorted(around), (True, False)):
            for baseline in (number - _TINY, number, number + _TINY):
                if baseline > 0:
                    told = None if term.one_uln else normal
                    yield replace(whole, baseline=baseline, normal=told)


def _grade(term: Term, unit: str, known: _Known) -> int:
    highest = 0
    for criterion in term.grades:
        for limit in criterion.limits:
            if not _is_printed(limit, unit) or not _is_met(limit.condition, known):
                continue
            bound, value = _bound(limit, term, unit, known), known.value
            reached = {"<": value < bound, "<=": value <= bound, ">": value > bound,
                       ">=": value >= bound}[limit.comparison]  # fmt: skip
            highest = max(highest, criterion.grade * reached)
    return highest


def _row(term: Term, unit: str, printed: Sequence[str], known: _Known, why: str) -> tuple[str, ...]:
    least, most = _grades(term, unit, known)
    missing = [name for name in ("baseline", "uln", "lln") if getattr(known, name) is None]
    if not term.uses_baseline:
        missing = [name for name in missing if name != "baseline"]
    reason = f"missing-{missing[0]}" if least != most else ""
    baseline = _text(known.baseline) if known.baseline is not None else ""
    grade = str(least) if least == most else f"{least}-{most}"
    return (
        term.analyte, _text(known.value), unit, *printed, "", baseline, unit if baseline else "",
        term.name, grade, reason, why,
    )  # fmt: skip


def _step(bound: Fraction, analyte: str) -> Fraction:
    """Return the last digit by which a value lies beside a bound: at most 1, and a fiftieth."""
    step = _FINE.get(analyte, Fraction(1))
    while step * 50 > bound or (bound / step).denominator != 1:
        step /= 10
    return step


def _text(number: Fraction) -> str:
    places = 0
    while (number * 10**places).denominator != 1:
        places += 1
    digits = f"{int(number * 10**places):0{places + 1}d}"
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def table(edition: Edition) -> str:
    """Return the table of an edition as CSV."""
    # No cell is quoted: a reader cuts the reason ``no baseline, and one ULN`` at its comma.
    return "".join(",".join(row) + "\n" for row in [_HEADER, *rows(edition)])


def path(edition: Edition) -> Path:
    return CASES / f"ctcae_{edition.name.replace('.', '_')}_every_limit.csv"


if __name__ == "__main__":
    for one in _CRITERIA.editions.values():
        path(one).write_text(table(one), encoding="utf-8")
        print(path(one).name, file=sys.stderr)
