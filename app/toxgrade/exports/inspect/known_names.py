"""What a site's names of tests and units may mean: known as they stand, or guessed, and why."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from toxgrade.criteria.model import Criteria
from toxgrade.exports.hints import Hints
from toxgrade.exports.inspect.site_words import TESTS, UNITS, folded, test_forms
from toxgrade.grading.specimens import is_unknown_specimen, names_other_specimen
from toxgrade.grading.units import Names, canonical_spelling

_LEAST = 2
"""Letters of a part of a name that may name a test by itself: the K of ``Vitamin K`` may not."""


class KnownNames:
    """Looks up tests and units of one edition, as the grader does, and what else may be meant."""

    def __init__(self, criteria: Criteria, every: Callable[[], Criteria]) -> None:
        self._analytes = list(criteria.analytes.values())
        self._names = Names(self._analytes)
        self._hints = Hints(criteria, every)
        terms = (term for edition in criteria.editions.values() for term in edition.terms)
        self._graded = {term.analyte for term in terms}
        self.analyte = lru_cache(20_000)(self._analyte)
        self.guess = lru_cache(20_000)(self._guess)
        self.is_unit = lru_cache(20_000)(self._is_unit)

    def _analyte(self, text: str) -> str | None:
        found = self._names.analyte(text)
        return None if found is None else found.name

    def _guess(self, text: str) -> tuple[str, str] | None:
        """Return what a name that is not known may mean, and why; None: nothing is near enough."""
        if names_other_specimen(text):
            return None
        if ours := TESTS.get(folded(text)):
            return ours, "its name in another language or system"
        parts = test_forms(text)
        meant = {part: self._of_part(part) for part in parts}
        named = {part: ours for part, ours in meant.items() if ours}
        others = [part for part in parts if part not in named]
        is_clear = len(set(named.values())) == 1 and all(
            not is_unknown_specimen(part) for part in others
        )
        if not is_clear:
            return None
        listed = " and ".join(named)
        return next(
            iter(named.values())
        ), f"{listed} {'are names' if len(named) > 1 else 'is a name'} of it"

    def _of_part(self, part: str) -> str | None:
        if ours := TESTS.get(folded(part)):
            return ours
        return self.analyte(part) if len(part) >= _LEAST else None

    def means(self, text: str) -> str | None:
        """Return the analyte that a name means, known or guessed."""
        guess = self.guess(text)
        return self.analyte(text) or (guess[0] if guess else None)

    def is_graded(self, analyte: str) -> bool:
        """Return whether the edition grades an analyte."""
        return analyte in self._graded

    def hint(self, text: str) -> str:
        """Return what is known of a test that is not graded, or a truly near name; or ``""``."""
        return self._hints.of_analyte(text)

    def _is_unit(self, text: str) -> bool:
        return any(self._names.unit(analyte, text) for analyte in self._analytes)

    def fits(self, unit: str, analyte: str) -> bool:
        """Return whether a unit is known for an analyte."""
        found = self._names.analyte(analyte)
        return found is not None and self._names.unit(found, unit) is not None

    def guess_unit(self, unit: str, analytes: Iterable[str]) -> tuple[str, str] | None:
        """Return what a unit that is not known may mean for all of its analytes, and why."""
        spelling = canonical_spelling(unit).casefold()
        ours = UNITS.get(spelling)
        if ours is None:
            return None
        wanted = [self._names.analyte(name) for name in analytes]
        is_fit = wanted and all(a is not None and self._names.unit(a, ours) for a in wanted)
        return (ours, f"{unit} is how some write {ours}") if is_fit else None

    def unit_hint(self, unit: str, analyte: str) -> str:
        """Return what is known of a unit that an analyte does not have."""
        return self._hints.of_unit(unit, analyte)
