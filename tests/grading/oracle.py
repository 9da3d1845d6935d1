"""An independent grader in fractions, and random rows crowded around every limit.

Its limits come from NCI's wording by the second reader, its arithmetic from ``fractions``; it
shares only the units' factors with the graders it checks. Where NCI prints a limit in several unit
systems, its own code chooses the value's unit, or else the nearest.
"""

import random
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache

from tests.criteria.second_reader import Read, limits_of
from tests.grading.typical import NARROW, TYPICAL
from toxgrade.criteria.model import Edition, Term, Unit
from toxgrade.criteria.reader import load

CRITERIA = load()
Limits = tuple[tuple[int, Read], ...]
Range = tuple[str, str, str]
"""A value with its LLN and ULN as printed, in one unit."""


@dataclass(frozen=True)
class Row:
    """A result on or next to a limit, and the patient's baseline, each as printed."""

    analyte: str
    unit: str
    result: Range
    baseline_unit: str
    baseline: Range

    def fields(self, which: str) -> dict[str, str]:
        """Return ``result`` or ``baseline`` as the columns of a file."""
        numbers = self.result if which == "result" else self.baseline
        unit = self.unit if which == "result" else self.baseline_unit
        named = dict(zip(("value", "lln", "uln"), numbers, strict=True))
        return {"analyte": self.analyte, "unit": unit, **named}


@cache
def limits(edition: str, name: str, analyte: str, unit: str) -> Limits:
    """Return (grade, limit) of a term for a value in ``unit``, in the nearest unit system."""
    term = next(t for t in CRITERIA.edition(edition).terms_of(analyte) if t.name == name)
    found = [
        (c.grade, read)
        for c in term.grades
        for read in sorted(limits_of(edition, name, c.grade, analyte), key=str)
    ]
    kinds = {known.name: known.kind for known in CRITERIA.analytes[analyte].units}
    printed = {read.unit for _, read in found if read.reference is None and read.unit}
    nearest = {u for u in printed if u == unit} or {u for u in printed if kinds[u] == kinds[unit]}
    assert len({kinds[u] for u in nearest}) < 2  # They convert exactly.
    chosen = nearest or printed
    return tuple((g, r) for g, r in found if r.reference is not None or r.unit in chosen)


def expected(edition: str, row: Row, term: Term, *, own: bool = False) -> int:
    """Return the grade of a row against its baseline, or of the baseline itself (``own``)."""
    unit = row.baseline_unit if own else row.unit
    value, lln, uln = _canonical(row, "baseline" if own else "result")
    before, before_lln, before_uln = _canonical(row, "baseline")
    met = {
        None: True,
        "baseline <= ULN": own or before <= before_uln,
        "baseline > ULN": not own and before > before_uln,
        "baseline < LLN": not own and before < before_lln,
        "value < LLN": value < lln,
        "value > baseline": own or value > before,
    }
    units = CRITERIA.analytes[row.analyte]
    highest = 0
    for grade, read in limits(edition, term.name, row.analyte, unit):
        if (own and read.reference == "baseline") or not met[read.condition]:
            continue
        factor = units.unit(read.unit).factor if read.unit else Fraction(1)
        if read.reference is None:
            bound = Fraction(read.number) * factor
        else:
            reference = {"ULN": uln, "LLN": lln, "baseline": before}[read.reference]
            bound = Fraction(read.number) * reference + Fraction(read.added) * factor
        reached = value > bound if read.comparison[0] == ">" else value < bound
        if reached or ("=" in read.comparison and value == bound):
            highest = max(highest, grade)
    return highest


def _canonical(row: Row, which: str) -> tuple[Fraction, ...]:
    fields = row.fields(which)
    factor = CRITERIA.analytes[row.analyte].unit(fields["unit"]).factor
    return tuple(fifteen_digits(fields[name]) * factor for name in ("value", "lln", "uln"))


def fifteen_digits(text: str) -> Fraction:
    return Fraction(f"{Decimal(text):.15g}")


def boundary_rows(edition: Edition, count: int, seed: int) -> list[Row]:
    """Return rows whose value is on a limit of the edition, or one last digit above or below."""
    chance = random.Random(seed)
    terms = chance.choices(edition.terms, k=count)
    return [_row(chance, edition, term) for term in terms]


def _row(chance: random.Random, edition: Edition, term: Term) -> Row:
    units = CRITERIA.analytes[term.analyte].units
    unit = chance.choice(units)
    other = unit if chance.random() < 0.7 else chance.choice(units)
    lln, uln = _range(chance, term.analyte, unit)
    before_range = (lln, uln) if unit == other else _range(chance, term.analyte, other)
    anchor = Fraction(chance.choice(before_range))
    digits = chance.randint(0, 6)
    times = Fraction(chance.choice(("0.5", "0.9", "1", "1", "1.2", "1.6", "2.5", "6")))
    before = max(anchor * times + Fraction(chance.choice((0, 1, -1)), 10**digits), Fraction(0))
    baseline = (_printed(before, digits), *before_range)
    value = _value(chance, edition, term, unit, (lln, uln), Fraction(baseline[0]) * other.factor)
    return Row(term.analyte, unit.name, (value, lln, uln), other.name, baseline)


def _value(
    chance: random.Random,
    edition: Edition,
    term: Term,
    unit: Unit,
    own_range: tuple[str, str],
    baseline: Fraction,
) -> str:
    _, read = chance.choice(limits(edition.name, term.name, term.analyte, unit.name))
    factor = CRITERIA.analytes[term.analyte].unit(read.unit).factor if read.unit else Fraction(1)
    references = {
        "LLN": Fraction(own_range[0]), "ULN": Fraction(own_range[1]),
        "baseline": baseline / unit.factor, None: factor / unit.factor,
    }  # fmt: skip
    bound = Fraction(read.number) * references[read.reference]
    bound += Fraction(read.added) * factor / unit.factor
    digits = chance.randint(0, 6)
    step = Fraction(chance.choice((0, 1, -1)), 10**digits)
    return _printed(max(bound + step, Fraction(0)), digits)


def _range(chance: random.Random, analyte: str, unit: Unit) -> tuple[str, str]:
    low, high = (Fraction(text) for text in TYPICAL[analyte])
    spread = 3 if analyte in NARROW else 30
    stretch = Fraction(100 + chance.randint(-spread, spread), 100)
    places, lln, uln = chance.randint(-1, 4), "0", "0"
    while not 0 < Fraction(lln) < Fraction(uln):  # The limits must differ.
        places += 1
        lln = _printed(low * stretch / unit.factor, places)
        uln = _printed(high * stretch / unit.factor, places)
    return lln, uln


def _printed(number: Fraction, places: int) -> str:
    """Return the number truncated to so many decimals."""
    whole = number.numerator * 10**places // number.denominator
    return f"{whole // 10**places}.{whole % 10**places:0{places}d}" if places else str(whole)
