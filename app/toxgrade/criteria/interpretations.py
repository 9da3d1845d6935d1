"""Where a number alone cannot follow CTCAE's letter: named readings, of which a study chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from toxgrade.criteria.grammar import check_grades, parse_when
from toxgrade.criteria.model import (
    Analyte,
    Condition,
    Edition,
    GradeCriterion,
    Limit,
    Reference,
    Term,
)
from toxgrade.errors import CriteriaError


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to read the text. ``terms`` are those it changes, as it reads them.

    ``beyond_range``: absolute limits count only beyond the laboratory's own range, for every term.
    """

    name: str
    says: str
    terms: tuple[Term, ...] = ()
    beyond_range: bool = False


@dataclass(frozen=True, slots=True)
class Interpretation:
    """A question that NCI's text leaves open, and its readings; the first is the default.

    ``terms``: the names of those concerned, empty where any may be.
    """

    name: str
    terms: tuple[str, ...]
    question: str
    choices: tuple[Choice, ...]

    def choice(self, name: str) -> Choice:
        """The reading of that name.

        Raises:
            CriteriaError: naming those there are.
        """
        for reading in self.choices:
            if reading.name == name:
                return reading
        names = ", ".join(reading.name for reading in self.choices)
        raise CriteriaError(f"the readings of {self.name} are {names}")

    def concerns(self, terms: Sequence[str]) -> bool:
        """Whether one of these terms is graded otherwise by another reading."""
        return bool({*self.terms} & {*terms})


def with_interpretations(edition: Edition, chosen: Mapping[str, str]) -> Edition:
    """The edition with the readings that a study chose; what it did not choose is the default.

    Raises:
        CriteriaError: there is no such interpretation or reading; names those there are.
    """
    known = {interpretation.name: interpretation for interpretation in edition.interpretations}
    if unknown := chosen.keys() - known:
        names = ", ".join(known)
        raise CriteriaError(
            f"{len(unknown)} of the interpretations are not of {edition.name}: {names}"
        )
    choices = [known[name].choice(reading) for name, reading in chosen.items()]
    changed = {(t.name, t.analyte): t for reading in choices for t in reading.terms}
    terms = tuple(changed.get((term.name, term.analyte), term) for term in edition.terms)
    if any(reading.beyond_range for reading in choices):
        terms = tuple(_beyond_range(term) for term in terms)
    others = {n: r for n, r in chosen.items() if r != known[n].choices[0].name}
    return replace(edition, terms=terms, chosen=others)


def read_interpretations(
    entries: Sequence[Mapping[str, Any]], terms: Sequence[Term], analytes: Mapping[str, Analyte]
) -> tuple[Interpretation, ...]:
    """The ``[[interpretation]]`` tables of a criteria file.

    Raises:
        CriteriaError: naming the interpretation that is incomplete or contradicts the terms.
    """
    found = tuple(_interpretation(entry, terms, analytes) for entry in entries)
    names = [interpretation.name for interpretation in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CriteriaError(f"interpretation {', '.join(sorted(twice))} is there twice")
    return found


def _interpretation(
    entry: Mapping[str, Any], terms: Sequence[Term], analytes: Mapping[str, Analyte]
) -> Interpretation:
    place = f"interpretation {entry.get('name', '(without a name)')}"
    if entry.keys() != {"name", "terms", "question", "reading"}:
        raise CriteriaError(f"{place}: has exactly name, terms, question, reading")
    if unknown := {*entry["terms"]} - {term.name for term in terms}:
        raise CriteriaError(f"{place}: {', '.join(sorted(unknown))} is not a term of the file")
    default, *others = entry["reading"]
    if default.keys() != {"name", "says"}:
        raise CriteriaError(f"{place}: its first reading is the default and has no limits")
    choices = [Choice(default["name"], default["says"])]
    for other in others:
        where = f"{place}, {other.get('name')}"
        choices.append(_reading(other, terms, analytes, where))
    return Interpretation(entry["name"], tuple(entry["terms"]), entry["question"], tuple(choices))


def _reading(
    reading: Mapping[str, Any],
    terms: Sequence[Term],
    analytes: Mapping[str, Analyte],
    place: str,
) -> Choice:
    if reading.keys() == {"name", "says", "beyond_range"}:
        return Choice(reading["name"], reading["says"], beyond_range=reading["beyond_range"])
    if reading.keys() != {"name", "says", "when"}:
        raise CriteriaError(f"{place}: has exactly name, says, and when or beyond_range")
    by_name = {term.name: term for term in terms}
    if unknown := reading["when"].keys() - by_name:
        raise CriteriaError(f"{place}: {', '.join(sorted(unknown))} is not a term of the file")
    changed = (
        _with_limits(by_name[name], when, analytes, place) for name, when in reading["when"].items()
    )
    return Choice(reading["name"], reading["says"], tuple(changed))


def _with_limits(
    term: Term, when: Mapping[str, Any], analytes: Mapping[str, Analyte], place: str
) -> Term:
    """The term with other limits for the grades that ``when`` names."""
    if unknown := {*when} - {str(criterion.grade) for criterion in term.grades}:
        raise CriteriaError(f"{place}: {term.name} has no grade {', '.join(sorted(unknown))}")
    grades = tuple(
        replace(c, limits=parse_when(when[str(c.grade)], analytes[term.analyte], place))
        if str(c.grade) in when
        else c
        for c in term.grades
    )
    check_grades(grades, f"{place}, {term.name}")
    return replace(term, grades=grades)


def _beyond_range(term: Term) -> Term:
    """The term with its absolute limits held back inside the laboratory's own range."""
    side: Reference = "ULN" if term.direction == "high" else "LLN"
    if not any(limit.reference == side for c in term.grades for limit in c.limits):
        return term
    beyond = Condition("value", ">" if term.direction == "high" else "<", side)

    def held_back(limit: Limit) -> Limit:
        plain = limit.reference is None and limit.condition is None
        return replace(limit, condition=beyond) if plain else limit

    def criterion(found: GradeCriterion) -> GradeCriterion:
        return replace(found, limits=tuple(held_back(limit) for limit in found.limits))

    return replace(term, grades=tuple(criterion(found) for found in term.grades))
