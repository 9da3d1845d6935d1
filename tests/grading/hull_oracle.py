"""What a result's grade may be, by trying every possible value of what is not known.

Independent of the graders: limits come from NCI's wording by the second reader, numbers are
fractions. A *world* gives every number: the value, its ULN and LLN, the baseline and its own ULN
and LLN. Grades change only where two numbers meet, so a number on each such point, one between each
two, and one beyond them are enough.
"""

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tests.criteria.second_reader import Read
from tests.grading import oracle
from tests.grading.oracle import CRITERIA
from toxgrade.criteria.model import Band, Edition, Term

_ZERO = Fraction(0)


@dataclass(frozen=True)
class Sent:
    """A result as it was sent; None: not sent. ``value`` may begin with a comparator."""

    value: str
    unit: str
    lln: str | None = None
    uln: str | None = None
    limit_unit: str | None = None
    indicator: str | None = None


@dataclass(frozen=True)
class Row:
    """A result and the patient's baseline; None: there is none."""

    analyte: str
    result: Sent
    baseline: Sent | None

    def fields(self, which: str) -> dict[str, str | None] | None:
        """Return ``result`` or ``baseline`` as the columns of a file."""
        sent = self.result if which == "result" else self.baseline
        return None if sent is None else {"analyte": self.analyte, **vars(sent)}


class World(NamedTuple):
    """A result and its baseline with every number, in the analyte's canonical unit."""

    value: Fraction
    lln: Fraction
    uln: Fraction
    before: Fraction
    before_lln: Fraction
    before_uln: Fraction


class _Known(NamedTuple):
    """What a result says of its numbers; None: nothing. Below 0 is no number."""

    comparator: str
    number: Fraction | None
    lln: Fraction | None
    uln: Fraction | None
    indicator: str | None

    def allows(self, value: Fraction, lln: Fraction, uln: Fraction) -> bool:
        """Return whether the result may have these numbers; a ULN is above 0."""
        end = self.number
        meets = end is None or {
            "": value == end, "<": value < end, "<=": value <= end,
            ">": value > end, ">=": value >= end,
        }[self.comparator]  # fmt: skip
        below, above = value < lln, value > uln
        said = {
            None: True, "N": not below and not above,
            "H": above and not below, "L": below and not above,
        }  # fmt: skip
        return meets and lln >= _ZERO and uln > _ZERO and said[self.indicator]


def hull(edition: str, row: Row, term: Term, *, own: bool = False) -> tuple[int, int]:
    """Return the lowest and highest grade of a row in any world; ``own``: of its baseline alone."""
    subject = row.baseline if own else row.result
    assert subject is not None
    limits = _canonical_limits(edition, row.analyte, term, subject.unit)
    result = _believed(_known(row.analyte, subject), limits)
    before = None if own or row.baseline is None else _usable(row.analyte, row.baseline)
    before = before and _believed(before, limits)
    one_uln = edition == "4.03" and term.name == "Hemoglobin increased"
    grades = {_grade(limits, world, own=own) for world in _worlds(result, before, limits, one_uln)}
    return min(grades), max(grades)


class _Limit(NamedTuple):
    grade: int
    read: Read
    multiple: Fraction
    plus: Fraction


def _canonical_limits(edition: str, analyte: str, term: Term, unit: str) -> list[_Limit]:
    units = CRITERIA.analytes[analyte]
    found = []
    for grade, read in oracle.limits(edition, term.name, analyte, unit):
        factor = units.unit(read.unit).factor if read.unit else Fraction(1)
        number = Fraction(read.number)
        multiple, plus = (_ZERO, number * factor) if read.reference is None else (number, _ZERO)
        found.append(_Limit(grade, read, multiple, plus + Fraction(read.added) * factor))
    return found


def _known(analyte: str, sent: Sent) -> _Known:
    units = CRITERIA.analytes[analyte]
    factor = units.unit(sent.unit).factor
    limit_factor = units.unit(sent.limit_unit or sent.unit).factor
    digits = sent.value.lstrip("<>=")
    lln, uln = (
        None if text is None else oracle.fifteen_digits(text) * limit_factor
        for text in (sent.lln, sent.uln)
    )
    comparator = sent.value.removesuffix(digits)
    return _Known(comparator, oracle.fifteen_digits(digits) * factor, lln, uln, sent.indicator)


def _usable(analyte: str, sent: Sent) -> _Known | None:
    """Return what a baseline says; None, or no limits, where a number is refused as implausible."""
    known, bands = _known(analyte, sent), CRITERIA.analytes[analyte]
    below_zero = known.comparator == "<" and known.number == 0
    if below_zero or not _within(known.number, bands.value_band(bands.unit(sent.unit))):
        return None
    if _within(known.lln, bands.plausible_lln) and _within(known.uln, bands.plausible_uln):
        return known
    return known._replace(lln=None, uln=None, indicator=None)


def _within(number: Fraction | None, band: Band) -> bool:
    return number is None or band.low <= number <= band.high


def _believed(known: _Known, limits: Sequence[_Limit]) -> _Known:
    """Return what is known, without a flag that contradicts the numbers."""
    possible = next(_ranges(known, limits, [*known[1:4]], ("ULN", "LLN")), None)
    return known if possible else known._replace(indicator=None)


def _worlds(
    result: _Known, before: _Known | None, limits: Sequence[_Limit], one_uln: bool
) -> Iterator[World]:
    """Yield worlds that are possible, of every order that their numbers can have."""
    conditions = [limit.read.condition or "" for limit in limits]
    asked = [c.split()[-1] for c in conditions if c.startswith("value")]
    of_value = {*asked, *(limit.read.reference for limit in limits)}
    of_before = {c.split()[-1] for c in conditions if c.startswith("baseline")}
    compares = of_before or "baseline" in of_value
    earlier = [limit for limit in limits if limit.read.reference == "baseline"]
    numbers = [*result[1:4], *(before[1:4] if before else ())]
    for value, lln, uln in _ranges(result, limits, numbers, of_value):
        if not compares:
            yield World(value, lln, uln, _ZERO, _ZERO, _ZERO)
            continue
        known = before or _Known("", None, None, uln if one_uln else None, None)
        met = [*known[1:4], value, *_references(value, earlier)]
        for ranged in _ranges(known, (), met, of_before):
            yield World(value, lln, uln, *ranged)


def _ranges(
    known: _Known,
    limits: Sequence[_Limit],
    others: Iterable[Fraction | None],
    asked: Collection[str | None],
) -> Iterator[tuple[Fraction, Fraction, Fraction]]:
    """Yield a value with its LLN and ULN, in every order that they and ``others`` can have.

    ``others`` are what a limit may be a multiple of. Of a limit of normal that is unknown and not
    ``asked`` any number will do.
    """
    if known.number is not None and not known.comparator:
        values = [known.number]
    else:
        refs = {_ZERO, *(n for n in others if n is not None)}
        values = _points(refs | {one.multiple * n + one.plus for one in limits for n in refs})
    of = {n: [limit for limit in limits if limit.read.reference == n] for n in ("LLN", "ULN")}
    for value in values:
        for lln in _limit_points(known, "LLN", value, known.uln, of["LLN"], asked):
            for uln in _limit_points(known, "ULN", value, lln, of["ULN"], asked):
                if known.allows(value, lln, uln):
                    yield value, lln, uln


def _limit_points(
    known: _Known,
    name: str,
    value: Fraction,
    other: Fraction | None,
    limits: Sequence[_Limit],
    asked: Collection[str | None],
) -> list[Fraction]:
    """Return what a limit of normal may be, beside the value and the other limit."""
    sent = known.lln if name == "LLN" else known.uln
    if sent is not None:
        return [sent]
    if name in asked or known.indicator:
        return _points({value, other or _ZERO, *_references(value, limits)})
    return [_ZERO if name == "LLN" else 1 + value + (other or 0)]


def _references(value: Fraction, limits: Sequence[_Limit]) -> Iterator[Fraction]:
    """Yield the references of which a value is on a limit."""
    return ((value - limit.plus) / limit.multiple for limit in limits if limit.multiple)


def _points(met: Iterable[Fraction]) -> list[Fraction]:
    """Return numbers, one between each two, and one beyond."""
    ordered = sorted({_ZERO, *(point for point in met if point >= 0)})
    between = [(one + other) / 2 for one, other in pairwise(ordered)]
    return [*ordered, *between, 2 * ordered[-1] + 1]


def _grade(limits: Sequence[_Limit], world: World, *, own: bool) -> int:
    """Return the grade in a world; ``own``: with a normal baseline, which the value is beyond."""
    value, lln, uln, before, before_lln, before_uln = world
    met = {
        None: True,
        "baseline <= ULN": own or before <= before_uln,
        "baseline > ULN": not own and before > before_uln,
        "baseline < LLN": not own and before < before_lln,
        "value < LLN": value < lln,
        "value > baseline": own or value > before,
    }
    references = {"ULN": uln, "LLN": lln, "baseline": before, None: _ZERO}
    highest = 0
    for grade, read, multiple, plus in limits:
        if grade <= highest or not met[read.condition] or (own and read.reference == "baseline"):
            continue
        bound = multiple * references[read.reference] + plus
        reached = value > bound if read.comparison[0] == ">" else value < bound
        if reached or ("=" in read.comparison and value == bound):
            highest = grade
    return highest


def partly_known_rows(edition: Edition, count: int, seed: int) -> list[Row]:
    """Return rows on a limit or beside it, from which some of what would decide is taken away."""
    chance = random.Random(seed)
    return [_partly_known(chance, row) for row in oracle.boundary_rows(edition, count, seed)]


def _partly_known(chance: random.Random, row: oracle.Row) -> Row:
    result = _less(chance, Sent(row.result[0], row.unit, *row.result[1:]))
    before = _less(chance, Sent(row.baseline[0], row.baseline_unit, *row.baseline[1:]))
    return Row(row.analyte, result, before if chance.random() < 0.8 else None)


def _less(chance: random.Random, sent: Sent) -> Sent:
    """Return a result with a limit less, a comparator or a flag more, or as it was."""
    lln = sent.lln if chance.random() < 0.7 else None
    uln = sent.uln if chance.random() < 0.6 else None
    signs = ("<", "<=", ">", ">=") if Fraction(sent.value) else (">", ">=")  # Nothing is below 0.
    sign = chance.choice(signs) if chance.random() < 0.2 else ""
    indicator = chance.choice("NHL") if chance.random() < 0.2 else None
    return replace(sent, value=sign + sent.value, lln=lln, uln=uln, indicator=indicator)
