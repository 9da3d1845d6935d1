"""``toxgrade criteria``: check, print and compare editions; options that change a study's rules."""

import sys
from argparse import SUPPRESS
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, settings

if TYPE_CHECKING:
    from argparse import _ActionsContainer

    from toxgrade.criteria.describe import Difference
    from toxgrade.criteria.model import Edition
    from toxgrade.grading.result import Grade
    from toxgrade.grading.rules import Rules


def compare(before: str, after: str, study: str | None) -> None:
    """Say what differs between two editions, or what that means for a study."""
    from toxgrade.criteria.describe import compare
    from toxgrade.criteria.reader import load

    criteria = load()
    editions = criteria.edition(before), criteria.edition(after)
    if study is not None:
        _compare_study(study, editions[0].name, editions[1].name)
        return
    for difference in compare(*editions):
        print(_difference_text(difference))


def _difference_text(difference: "Difference") -> str:
    names = [term.name if term else "not graded" for term in (difference.before, difference.after)]
    title = names[0] if names[0] == names[1] else " -> ".join(names)
    lines = [f"{title} ({difference.analyte}, {difference.direction})"]
    for grade, old, new in difference.grades:
        sides = ("; ".join(limit.when for limit in c.limits) if c else "" for c in (old, new))
        lines.append(f"  grade {grade}: {' -> '.join(side or 'none' for side in sides)}")
    return "\n".join(lines)


def _compare_study(name: str, before: str, after: str) -> None:
    """Print as CSV the grades of a stored study that two editions give differently."""
    import csv
    from dataclasses import replace

    from toxgrade.criteria.reader import load
    from toxgrade.grading.rules import Graders
    from toxgrade.server.records.db.engine import snapshot
    from toxgrade.server.records.studies import find_study
    from toxgrade.server.reports.study_reports import changed_grades
    from toxgrade.spreadsheet import to_row

    graders, table = Graders(load()), csv.writer(sys.stdout)
    table.writerow(
        ["patient", "collected", "analyte", "from_term", "from_grade", "to_term", "to_grade", "why"]
    )
    with snapshot(settings().database_url) as connection:
        found = find_study(connection, name)
        old = replace(found, rules=changed_rules(found.rules, graders.criteria.edition(before), []))
        rules = changed_rules(found.rules, graders.criteria.edition(after), [])
        for change in changed_grades(connection, old, rules, graders):
            collected = change.result.collected
            shown = [_term_and_grade(grade) for grade in (change.before, change.after)]
            why = change.after.because if change.after else f"{after} does not grade it"
            row = to_row(
                [
                    change.patient, collected.text if collected else "", change.result.analyte,
                    *shown[0], *shown[1], why,
                ]
            )  # fmt: skip
            table.writerow(row)


def _term_and_grade(grade: "Grade | None") -> tuple[str, str]:
    """Return the term and the grade, such as ``2``, or ``0-4`` where it is undecided."""
    if grade is None or grade.term is None:
        return "", ""
    if grade.at_least is None:
        return grade.term.name, ""
    decided = grade.at_least == grade.at_most
    return grade.term.name, f"{grade.at_least}" if decided else f"{grade.at_least}-{grade.at_most}"


def add_interpretations(parser: "_ActionsContainer") -> None:
    """Add ``--interpretation`` to a command; its former name ``--reading`` is taken until 1.0."""
    for name, shown in (
        ("--interpretation", "the choice where CTCAE's text leaves one; repeatable"),
        ("--reading", SUPPRESS),
    ):
        parser.add_argument(
            name, dest="interpretations", action="append", default=[],
            metavar="INTERPRETATION=CHOICE", help=shown,
        )  # fmt: skip


def changed_rules(rules: "Rules", edition: "Edition", given: list[str]) -> "Rules":
    """Return the rules with another edition and the interpretations given as A=B.

    A choice for an interpretation that the other edition does not have is dropped.

    Raises:
        RequestError: a text is not INTERPRETATION=CHOICE.
    """
    from dataclasses import replace

    known = {interpretation.name for interpretation in edition.interpretations}
    choices = {old: choice for old, choice in rules.interpretations if old in known}
    choices |= parse_choices(given)
    return replace(rules, edition=edition.name, interpretations=tuple(sorted(choices.items())))


def parse_choices(given: list[str]) -> dict[str, str]:
    """Return the choices given as A=B, by interpretation.

    Raises:
        RequestError: a text is not INTERPRETATION=CHOICE.
    """
    from toxgrade.errors import RequestError

    pairs = [text.partition("=") for text in given]
    if not all(equals for _, equals, _ in pairs):
        raise RequestError("--interpretation: expected INTERPRETATION=CHOICE")
    return {interpretation: choice for interpretation, _, choice in pairs}


def arguments(parser: Parser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("check", help="what the criteria files hold").runs(check)
    actions.add_parser("page", help="print docs/criteria.md").runs(page)
    one = actions.add_parser("compare", help="what differs between two editions").runs(compare)
    one.add_argument("before", metavar="FROM", help="an edition, such as 4.03")
    one.add_argument("after", metavar="TO", help="another one, such as 6.0")
    one.add_argument("--study", help="a stored study: list its grades that would change, as CSV")


def check() -> None:
    """Read the criteria files; say what they hold, or what is wrong with them."""
    from toxgrade.criteria.reader import describe, load
    from toxgrade.criteria.vocabulary import check_vocabularies, load_vocabularies

    criteria = load()
    check_vocabularies(criteria, load_vocabularies())
    print("\n".join(describe(criteria)))


def page() -> None:
    """Print docs/criteria.md: the editions, and how their text is read where it leaves a choice."""
    from toxgrade.criteria.describe import page
    from toxgrade.criteria.reader import load

    print(page(load()), end="")
