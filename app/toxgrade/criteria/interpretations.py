"""Interpretations of CTCAE's text where a number alone cannot follow it, and a study's choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from toxgrade.criteria.grammar import Table, check_grades, parse_when
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
    """One choice for an interpretation. ``terms`` are the terms that it changes, as changed.

    ``beyond_range``: in every term, absolute limits count only beyond the laboratory's own range.
    """

    name: str
    says: str
    terms: tuple[Term, ...] = ()
    beyond_range: bool = False


@dataclass(frozen=True, slots=True)
class Interpretation:
    """A question that NCI's text leaves open, and its choices; the first is the default.

    ``terms`` are the names of the terms it concerns; empty means that it may concern any.
    """

    name: str
    terms: tuple[str, ...]
    question: str
    choices: tuple[Choice, ...]

    def choice(self, name: str) -> Choice:
        """Return the choice of that name.

        Raises:
            CriteriaError: there is none; the message names the choices.
        """
        for choice in self.choices:
            if choice.name == name:
                return choice
        names = ", ".join(choice.name for choice in self.choices)
        raise CriteriaError(f"the choices for {self.name} are {names}")

    def concerns(self, terms: Sequence[str]) -> bool:
        """Return whether it names one of ``terms``; False if it names none (it may concern any)."""
        return bool({*self.terms} & {*terms})


def with_interpretations(edition: Edition, chosen: Mapping[str, str]) -> Edition:
    """Return the edition with a study's choices; every other interpretation keeps its default.

    Raises:
        CriteriaError: there is no such interpretation or choice; the message names those there are.
    """
    known = {interpretation.name: interpretation for interpretation in edition.interpretations}
    if unknown := chosen.keys() - known:
        names = ", ".join(known)
        raise CriteriaError(
            f"{len(unknown)} of the interpretations are not of {edition.name}: {names}"
        )
    choices = [known[name].choice(choice_name) for name, choice_name in chosen.items()]
    changed = {(t.name, t.analyte): t for choice in choices for t in choice.terms}
    terms = tuple(changed.get((term.name, term.analyte), term) for term in edition.terms)
    if any(choice.beyond_range for choice in choices):
        terms = tuple(_beyond_range(term) for term in terms)
    not_default = {n: c for n, c in chosen.items() if c != known[n].choices[0].name}
    return replace(edition, terms=terms, chosen=not_default)


def read_interpretations(
    entries: Sequence[Table], terms: Sequence[Term], analytes: Mapping[str, Analyte]
) -> tuple[Interpretation, ...]:
    """Read the ``[[interpretation]]`` tables of a criteria file.

    Raises:
        CriteriaError: an interpretation is incomplete or contradicts the terms; it is named.
    """
    interpretations = tuple(_interpretation(entry, terms, analytes) for entry in entries)
    names = [interpretation.name for interpretation in interpretations]
    if duplicates := {name for name in names if names.count(name) > 1}:
        raise CriteriaError(f"interpretation {', '.join(sorted(duplicates))} is there twice")
    return interpretations


def _interpretation(
    entry: Table, terms: Sequence[Term], analytes: Mapping[str, Analyte]
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
        choices.append(_choice(other, terms, analytes, where))
    return Interpretation(entry["name"], tuple(entry["terms"]), entry["question"], tuple(choices))


def _choice(
    entry: Table,
    terms: Sequence[Term],
    analytes: Mapping[str, Analyte],
    place: str,
) -> Choice:
    if entry.keys() == {"name", "says", "beyond_range"}:
        return Choice(entry["name"], entry["says"], beyond_range=entry["beyond_range"])
    if entry.keys() != {"name", "says", "when"}:
        raise CriteriaError(f"{place}: has exactly name, says, and when or beyond_range")
    by_name = {term.name: term for term in terms}
    if unknown := entry["when"].keys() - by_name:
        raise CriteriaError(f"{place}: {', '.join(sorted(unknown))} is not a term of the file")
    changed = (
        _with_limits(by_name[name], when, analytes, place) for name, when in entry["when"].items()
    )
    return Choice(entry["name"], entry["says"], tuple(changed))


def _with_limits(term: Term, when: Table, analytes: Mapping[str, Analyte], place: str) -> Term:
    """Return the term with the limits of ``when`` for the grades that it names."""
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
    """Make absolute limits hold only beyond the ULN or LLN, in a term that has a limit by that."""
    side: Reference = "ULN" if term.direction == "high" else "LLN"
    if not any(limit.reference == side for c in term.grades for limit in c.limits):
        return term
    beyond = Condition("value", ">" if term.direction == "high" else "<", side)

    def only_beyond(limit: Limit) -> Limit:
        unconditional = limit.reference is None and limit.condition is None
        return replace(limit, condition=beyond) if unconditional else limit

    def restricted(criterion: GradeCriterion) -> GradeCriterion:
        return replace(criterion, limits=tuple(only_beyond(limit) for limit in criterion.limits))

    return replace(term, grades=tuple(restricted(criterion) for criterion in term.grades))
