"""Which supposed explanation of a discrepancy the other results of both files bear out."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from toxgrade.exports.discrepancy_cause import Explanation
from toxgrade.exports.regrading import OurGrading, Regrader, SupposedUnit

_RULE = Explanation("rule")

_LEAST_EXPLAINED = 0.75
"""The share of a test's discrepancies that another unit must explain: by chance it was half."""

Test = tuple[str, str | None]
"""An analyte, by its name in the criteria, and the unit of our results."""

Compared = tuple[OurGrading, int]
"""A grading of ours, and their grade for the same result and direction."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the compared results say of editions and units that their file does not name.

    ``editions``: discrepancies that an edition explains, less equal grades that contradict it: they
    may follow it where that is above 0. ``only_editions``: those that explain a discrepancy which
    neither another baseline nor floating point does, or those of several analytes with no grade
    against them: one cause is then likelier than one for each. ``units``: for which the numbers of
    a test were taken.
    """

    editions: Counter[str] = field(default_factory=Counter)
    only_editions: frozenset[str] = frozenset()
    units: frozenset[tuple[Test, SupposedUnit | None]] = frozenset()

    def choose(self, found: Sequence[Explanation], test: Test) -> Explanation:
        """Return the explanation of a discrepancy that is to be believed."""
        if found and found[0].said:
            return found[0]
        editions = [one for one in found if one.cause == "edition" and self._follows(one)]
        of_ours = [one for one in found if one.cause in ("baseline", "rounding")]
        of_ours = [one for one in of_ours if one.edition is None]
        units = [one for one in found if one.unit and (test, one.unit) in self.units]
        with_edition = [
            one
            for one in found
            if one.edition and one.cause != "edition" and self.editions[one.edition] >= 0
        ]
        certain = [one for one in editions if one.edition in self.only_editions]
        terms = [one for one in found if one.cause == "term"]
        for chosen in (certain, of_ours, units, editions, with_edition, terms):
            if chosen:
                return self._best(chosen)
        return _RULE

    def _follows(self, one: Explanation) -> bool:
        return self.editions[one.edition or ""] > 0

    def _best(self, found: Sequence[Explanation]) -> Explanation:
        """Return the first of the best borne out, with all editions between which nothing decides.

        Between 5.0 and 6.0, say, which have most limits in common.
        """
        score = max(self.editions[one.edition or ""] for one in found)
        best = [one for one in found if self.editions[one.edition or ""] == score]
        alike = [one.edition for one in best if one.edition and one.cause == best[0].cause]
        return replace(best[0], edition=" or ".join(dict.fromkeys(alike)) or None)


def gather(
    found: Sequence[Sequence[Explanation]],
    tests: Sequence[Test],
    agreeing: Callable[[], Iterable[tuple[OurGrading, float]]],
    of_test: Callable[[Test], Iterable[Compared]],
    regrader: Regrader,
) -> Evidence:
    """Return the evidence for the explanations ``found`` of each discrepancy, of ``tests``.

    ``agreeing``: gradings on which both agree, each with the number for which it stands;
    ``of_test``: gradings of a test that both have. They are read only where they are needed.
    """
    supposed = [
        (test, [one for one in each if not one.edition or one.cause == "edition"])
        for test, each in zip(tests, found, strict=True)
        if not (each and each[0].said)
    ]
    named = {one.edition for each in found for one in each if one.edition}
    against = _contradictions(named, agreeing, regrader)
    explained = Counter(one.edition for _, each in supposed for one in each if one.edition)
    followed = {name for name in named if explained[name] > against[name]}
    units = frozenset(_fitting(_explaining_most(supposed, followed), of_test, regrader))
    editions, only = Counter[str](), set[str]()
    analytes: dict[str, set[str]] = {name: set() for name in named}
    for test, each in supposed:
        if not any((test, one.unit) in units for one in each):
            names = [one.edition for one in each if one.edition]
            editions.update(names)
            for name in names:
                analytes[name].add(test[0])
            if not any(one.cause in ("baseline", "rounding") for one in each):
                only.update(names)
    only |= {name for name in named if len(analytes[name]) > 1 and not against[name]}
    editions.subtract(against)
    return Evidence(editions, frozenset(only), units)


def _explaining_most(
    supposed: Sequence[tuple[Test, Sequence[Explanation]]], followed: set[str]
) -> set[tuple[Test, SupposedUnit]]:
    """Return units that explain more of a test's discrepancies than any edition that is followed.

    So where both explain all of them it is the edition, which errs less often than a whole test.
    """
    by_unit, by_edition = Counter[tuple[Test, SupposedUnit]](), Counter[tuple[Test, str]]()
    for test, each in supposed:
        by_unit.update((test, one.unit) for one in each if one.unit)
        by_edition.update((test, one.edition) for one in each if one.edition in followed)
    most: Counter[Test] = Counter()
    for (test, _), count in by_edition.items():
        most[test] = max(most[test], count)
    return {(test, unit) for (test, unit), count in by_unit.items() if count > most[test]}


def _contradictions(
    editions: set[str],
    agreeing: Callable[[], Iterable[tuple[OurGrading, float]]],
    regrader: Regrader,
) -> Counter[str]:
    """Return for each edition the number of equal grades that it gives otherwise."""
    weights = dict.fromkeys(editions, 0.0)
    for our, weight in agreeing() if editions else ():
        for name in editions:
            grade = regrader.by_edition(our, name)
            if grade is not None and grade != our.grade:
                weights[name] += weight
    return Counter({name: round(weight) for name, weight in weights.items()})


def _fitting(
    units: set[tuple[Test, SupposedUnit]],
    of_test: Callable[[Test], Iterable[Compared]],
    regrader: Regrader,
) -> Iterable[tuple[Test, SupposedUnit]]:
    """Yield the units that give their grade for most results of a test, and for more than ours do.

    That a normal value is normal in another unit as well says nothing, so of the discrepancies
    ``_LEAST_EXPLAINED`` must be explained, and more than one: for one, some unit always fits.
    """
    for test in {test for test, _ in units}:
        compared = list(of_test(test))
        apart = [our.grade != theirs for our, theirs in compared]
        for unit in (unit for other, unit in units if other == test):
            fits = [regrader.in_unit(our, unit) == theirs for our, theirs in compared]
            most = sum(fits) > max(len(fits) / 2, len(fits) - sum(apart))
            explained = sum(fit for fit, differs in zip(fits, apart, strict=True) if differs)
            if most and explained >= max(2, _LEAST_EXPLAINED * sum(apart)):
                yield test, unit
