"""What differs between two editions, term by term: by test and direction, as names change."""

from dataclasses import dataclass

from toxgrade.criteria.model import Direction, Edition, GradeCriterion, Term


@dataclass(frozen=True, slots=True)
class Difference:
    """One test in one direction. A side is None where the edition does not grade it.

    ``grades``: those whose limits differ, each with both sides' criteria (None: no such grade).
    """

    analyte: str
    direction: Direction
    before: Term | None
    after: Term | None
    grades: tuple[tuple[int, GradeCriterion | None, GradeCriterion | None], ...]


def compare(before: Edition, after: Edition) -> list[Difference]:
    """Every term that is not graded alike, in the order of ``before``, then what ``after`` adds."""
    old, new = _by_test(before), _by_test(after)
    found = [_difference(test, old.get(test), new.get(test)) for test in old | new]
    return [d for d in found if d.grades or _name(d.before) != _name(d.after)]


_Test = tuple[str, Direction]


def _by_test(edition: Edition) -> dict[_Test, Term]:
    return {(term.analyte, term.direction): term for term in edition.terms}


def _difference(test: _Test, before: Term | None, after: Term | None) -> Difference:
    old = {c.grade: c for c in before.grades} if before else {}
    new = {c.grade: c for c in after.grades} if after else {}
    changed = tuple(
        (grade, old.get(grade), new.get(grade))
        for grade in sorted(old.keys() | new.keys())
        if _limits(old.get(grade)) != _limits(new.get(grade))
    )
    return Difference(*test, before, after, changed)


def _limits(criterion: GradeCriterion | None) -> frozenset[object]:
    """The limits without regard to their order; a clinical grade has none, like no grade."""
    return frozenset(criterion.limits if criterion else ())


def _name(term: Term | None) -> str | None:
    return term.name if term else None
