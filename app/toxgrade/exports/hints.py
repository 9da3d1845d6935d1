"""What is known of names and units that were not graded, for the summary of a run."""

from collections.abc import Callable, Iterable

from toxgrade.criteria.model import Analyte, Criteria
from toxgrade.grading.units import Names, SiteNames, folded_name

_LEAST_LETTERS = 7
"""In shorter words one letter makes another test: NEUTB are the bands of NEUT, GLUCU is urine."""
_UNITS_SHOWN = 3


class Hints:
    """Tells what names and units that were not understood may be.

    ``every``: returns the criteria of all editions; it is called only for a name that is known.
    ``site``: the site's own names.
    """

    def __init__(
        self, criteria: Criteria, every: Callable[[], Criteria], site: SiteNames | None = None
    ) -> None:
        self._analytes = criteria.analytes
        self._names = Names(criteria.analytes.values(), site)
        self._every = every

    def of_analyte(self, name: str) -> str:
        """Return in what editions a known analyte is graded, or the name that is nearest; or ""."""
        found = self._names.analyte(name)
        if found is not None:
            return _editions(found, self._every())
        if refused := self._names.refusal(name):
            return f"this code is {refused}"
        accepted = (text for analyte in self._analytes.values() for text in analyte.names)
        return _nearest(name, accepted)

    def of_unit(self, unit: str, analyte: str) -> str:
        """Return whether a unit is one of other analytes, or is near one; and what is accepted."""
        found = self._names.analyte(analyte)
        if found is None:
            return ""
        # Of a number without unit, whose unit is 1, a spelling says more.
        names = [unit.spellings[0] if unit.name == "1" else unit.name for unit in found.units]
        listed = ", ".join(names[:_UNITS_SHOWN]) + ", …" * (len(names) > _UNITS_SHOWN)
        if any(self._names.unit(other, unit) for other in self._analytes.values()):
            return f"no unit of {found.name}; {listed} are"
        near = _same_letters(unit, names)
        return f"near {near}" if near else f"unknown; of {found.name} accepted: {listed}"


def _editions(analyte: Analyte, criteria: Criteria) -> str:
    editions = [
        edition.name
        for edition in criteria.editions.values()
        if any(term.analyte == analyte.name for term in edition.terms)
    ]
    return f"known, graded in {' and '.join(editions) or 'no edition'}"


def _nearest(name: str, accepted: Iterable[str]) -> str:
    """Return the first accepted name that is truly near; or ``""``.

    It differs in punctuation alone, or by one letter of one long word, as of a slip of typing.
    """
    accepted = list(accepted)
    if same := _same_letters(name.casefold(), [text.casefold() for text in accepted]):
        return f"near {same}"
    words = folded_name(name).split()
    near = (text for text in accepted if _is_slip(words, folded_name(text).split()))
    return next((f"near {text}" for text in near), "")


def _same_letters(text: str, accepted: Iterable[str]) -> str | None:
    letters = _letters(text)
    return next((one for one in accepted if letters and _letters(one) == letters), None)


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _is_slip(words: list[str], others: list[str]) -> bool:
    differing = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
    if len(words) != len(others) or len(differing) != 1:
        return False
    ((one, other),) = differing
    is_word = one.isalpha() and other.isalpha()
    return is_word and min(len(one), len(other)) >= _LEAST_LETTERS and _one_edit(one, other)


def _one_edit(one: str, other: str) -> bool:
    """Return whether one letter is changed, added, left out, or changes places with the next."""
    if len(one) > len(other):
        one, other = other, one
    start = 0
    while start < len(one) and one[start] == other[start]:
        start += 1
    rest, rest_other = one[start:], other[start:]
    if len(one) < len(other):
        return rest == rest_other[1:]
    return rest[1:] == rest_other[1:] or (
        rest[:2] == rest_other[1::-1] and rest[2:] == rest_other[2:]
    )
