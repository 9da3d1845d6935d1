"""``docs/criteria.md``: what CTCAE leaves to a choice, and how it is read."""

from collections.abc import Iterator

from toxgrade.criteria.model import Criteria, Edition

_HEAD = """\
# Editions and readings of CTCAE

Written by `toxgrade criteria page`; a test holds it equal to the criteria files. The wording is the
US National Cancer Institute's.

CTCAE is written for a clinician at the bedside. Where a number alone cannot follow its letter, the
criteria file names the question, the reading that is the default, and what else a study may choose:
`"interpretations": {"hypokalemia": "grade-1"}` in `PUT /v1/studies/{study}` or `POST /v1/grade`, or
`toxgrade regrade STUDY --reading hypokalemia=grade-1`. Reports print how the text was read wherever
their rows depend on it.
"""


def page(criteria: Criteria) -> str:
    """The whole page in Markdown."""
    return "\n".join([_HEAD, *_editions(criteria), *_interpretations(criteria)])


def _editions(criteria: Criteria) -> Iterator[str]:
    yield "## Editions\n\n| edition | terms | tests | not graded from a number |\n|---|---|---|---|"
    everything = {term.name for e in criteria.editions.values() for term in e.terms}
    for edition in criteria.editions.values():
        names = {term.name for term in edition.terms}
        analytes = {term.analyte for term in edition.terms}
        absent = ", ".join(sorted(everything - names))
        yield f"| {edition.label} | {len(names)} | {len(analytes)} | {absent} |"
    yield ""


def _interpretations(criteria: Criteria) -> Iterator[str]:
    yield "## Where the text leaves a choice\n"
    names = {i.name: None for e in criteria.editions.values() for i in e.interpretations}
    for name in names:
        yield f"### {name}\n"
        said: dict[str, list[str]] = {}
        for edition in criteria.editions.values():
            if text := _said(edition, name):
                said.setdefault(text, []).append(edition.name)
        for text, editions in said.items():
            yield f"In {', '.join(editions)}. {text}\n"


def _said(edition: Edition, name: str) -> str | None:
    for found in edition.interpretations:
        if found.name == name:
            terms = f" ({', '.join(found.terms)})" if found.terms else ""
            lines = [f"{found.question}{terms}\n"]
            for place, reading in enumerate(found.readings):
                default = " (default)" if place == 0 else ""
                lines.append(f"- `{reading.name}`{default}: {reading.says}")
            return "\n".join(lines)
    return None
