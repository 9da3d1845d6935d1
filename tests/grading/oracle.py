"""An independent grader in fractions, and random rows crowded around every limit.

Its limits come from NCI's wording by the second reader, its arithmetic from ``fractions``; it
shares only the units' factors with the graders it checks. Nine terms: those whose printed unit
systems are exact conversions of each other.
"""

import random
from fractions import Fraction
from typing import Any

from app.criteria.model import Term, Unit
from app.criteria.reader import load
from tests.criteria.test_second_reader import read_cell

CRITERIA = load()
ANALYTES = ("ALT", "AST", "ALP", "GGT", "bilirubin", "albumin", "WBC", "platelets")
_TYPICAL = {
    "albumin": (35, 50), "WBC": (4, 10), "platelets": (150, 400), "bilirubin": (3, 20),
}  # fmt: skip


def _limits(term: Term) -> list[tuple[int, str, Fraction, str | None]]:
    """(grade, comparison, number in canonical units or multiple, reference) from the wording."""
    analyte = CRITERIA.analytes[term.analyte]
    found = []
    for criterion in term.grades:
        if any(character.isdigit() for character in criterion.says):
            for comparison, number, reference, unit, *_ in read_cell(criterion.says):
                factor = analyte.unit(unit).factor if unit else Fraction(1)
                found.append((criterion.grade, comparison, Fraction(number) * factor, reference))
    return found


_LIMITS = {
    term.name: _limits(term)
    for analyte in ANALYTES
    for term in CRITERIA.edition("4.03").terms_of(analyte)
}


def limits(term: str) -> list[tuple[int, str, Fraction, str | None]]:
    """(grade, comparison, canonical number or multiple, ULN or LLN or None) of each limit."""
    return _LIMITS[term]


def grade(term: str, value: Fraction, lln: Fraction, uln: Fraction) -> int:
    """The grade of a value; all numbers in canonical units."""
    highest = 0
    for number, comparison, limit, reference in _LIMITS[term]:
        bound = limit * {"ULN": uln, "LLN": lln, None: Fraction(1)}[reference]
        if value > bound if comparison == ">" else value < bound:
            highest = max(highest, number)
    return highest


def boundary_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of ``analyte``, ``value``, ``unit``, ``lln``, ``uln`` as text, on a limit or beside."""
    chance = random.Random(seed)
    names = chance.choices(ANALYTES, k=count)
    return [_row(chance, name, chance.choice(CRITERIA.analytes[name].units)) for name in names]


def _row(chance: random.Random, name: str, unit: Unit) -> dict[str, Any]:
    low, high = _TYPICAL.get(name, (10, 40))
    places, lln, uln = chance.randint(-1, 4), "0", "0"
    stretch = Fraction(chance.randint(70, 140), 100)
    while not 0 < Fraction(lln) < Fraction(uln):  # as many decimals as tell the limits apart
        places += 1
        lln = _printed(low * stretch / unit.factor, places)
        uln = _printed(high * stretch / unit.factor, places)
    terms = CRITERIA.edition("4.03").terms_of(name)
    _, _, limit, reference = chance.choice(_LIMITS[chance.choice(terms).name])
    bounds = {"ULN": Fraction(uln), "LLN": Fraction(lln), None: 1 / unit.factor}
    digits = chance.randint(0, 6)
    step = Fraction(chance.choice((0, 0, 1, -1)), 10**digits)
    value = max(limit * bounds[reference] + step, Fraction(0))
    return {
        "analyte": name, "value": _printed(value, digits), "unit": unit.name, "lln": lln, "uln": uln
    }  # fmt: skip


def _printed(number: Fraction, places: int) -> str:
    """The number cut to so many decimals."""
    whole = number.numerator * 10**places // number.denominator
    return f"{whole // 10**places}.{whole % 10**places:0{places}d}" if places else str(whole)


def expected(row: dict[str, Any], term: str) -> int:
    """The grade of one row of ``boundary_rows``."""
    factor = CRITERIA.analytes[row["analyte"]].unit(row["unit"]).factor
    numbers = (Fraction(row[name]) * factor for name in ("value", "lln", "uln"))
    return grade(term, *numbers)
