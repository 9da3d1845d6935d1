"""The page ``docs/criteria.md`` of editions and interpretations, and how two editions differ."""

from collections.abc import Iterator
from dataclasses import dataclass

from toxgrade.criteria.model import Criteria, Direction, Edition, GradeCriterion, Term

_HEAD = """\
# Editions and interpretations of CTCAE

Written by `toxgrade criteria page`; a test holds it equal to the criteria files. The wording is the
US National Cancer Institute's.

CTCAE is written for a clinician at the bedside. Where a number alone cannot follow its letter, the
criteria file names the question, the choice that is the default, and what else a study may choose:
`"interpretations": {"hypokalemia": "grade-1"}` in `PUT /v1/studies/{study}` or `POST /v1/grade`, or
`toxgrade regrade STUDY --interpretation hypokalemia=grade-1`. Reports print the choices
wherever their rows depend on them.
"""


def page(criteria: Criteria) -> str:
    """Return the whole page in Markdown."""
    return "\n".join([_HEAD, *_editions(criteria), *_interpretations(criteria)])


def _editions(criteria: Criteria) -> Iterator[str]:
    yield "## Editions\n\n| edition | terms | tests | not graded from a number |\n|---|---|---|---|"
    all_terms = {term.name for e in criteria.editions.values() for term in e.terms}
    for edition in criteria.editions.values():
        names = {term.name for term in edition.terms}
        analytes = {term.analyte for term in edition.terms}
        absent = ", ".join(sorted(all_terms - names))
        yield f"| {edition.label} | {len(names)} | {len(analytes)} | {absent} |"
    yield ""


def _interpretations(criteria: Criteria) -> Iterator[str]:
    yield "## Where the text leaves a choice\n"
    names = {i.name: None for e in criteria.editions.values() for i in e.interpretations}
    for name in names:
        yield f"### {name}\n"
        editions_by_text: dict[str, list[str]] = {}
        for edition in criteria.editions.values():
            if text := _interpretation(edition, name):
                editions_by_text.setdefault(text, []).append(edition.name)
        for text, editions in editions_by_text.items():
            yield f"In {', '.join(editions)}. {text}\n"


def _interpretation(edition: Edition, name: str) -> str | None:
    """Return the question and the choices as Markdown; None if the edition has no such question."""
    for found in edition.interpretations:
        if found.name == name:
            terms = f" ({', '.join(found.terms)})" if found.terms else ""
            lines = [f"{found.question}{terms}\n"]
            for place, choice in enumerate(found.choices):
                default = " (default)" if place == 0 else ""
                lines.append(f"- `{choice.name}`{default}: {choice.says}")
            return "\n".join(lines)
    return None


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference in one test and direction; a term is None where that edition does not grade it.

    ``grades`` are those whose limits differ, each with both criteria (None: no such grade).
    """

    analyte: str
    direction: Direction
    before: Term | None
    after: Term | None
    grades: tuple[tuple[int, GradeCriterion | None, GradeCriterion | None], ...]


def compare(before: Edition, after: Edition) -> list[Difference]:
    """Return every test whose term or limits differ, in the order of ``before``, then new ones."""
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
    """Return the limits without their order; a clinical grade has none, like a missing one."""
    return frozenset(criterion.limits if criterion else ())


def _name(term: Term | None) -> str | None:
    return term.name if term else None
