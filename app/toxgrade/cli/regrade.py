"""``toxgrade regrade``: grade a stored study again, by another edition or interpretation."""

from toxgrade.cli.criteria import add_interpretations, changed_rules
from toxgrade.cli.options import Parser, settings


def arguments(parser: Parser) -> None:
    parser.runs(regrade)
    parser.add_argument("study", help="a stored study")
    parser.add_argument("--edition", help="the edition of CTCAE from now on")
    add_interpretations(parser)


def regrade(study: str, edition: str | None, interpretations: list[str]) -> None:
    """Grade a study again by another edition or interpretation; the old grades stay readable."""
    from getpass import getuser

    from toxgrade.criteria.reader import load
    from toxgrade.grading.rules import Graders
    from toxgrade.server.records.audit_log import audited_transaction
    from toxgrade.server.records.regrade import regrade_study
    from toxgrade.server.records.studies import find_study, save_study

    graders = Graders(load())
    url, actor = settings().database_url, f"cli:{getuser()}"
    with audited_transaction(url, actor, "toxgrade regrade", study) as transaction:
        found = find_study(transaction.read(), study)
        chosen = graders.criteria.edition(edition or found.rules.edition)
        rules = changed_rules(found.rules, chosen, interpretations)
        applied = graders.for_rules(rules).edition
        saved = save_study(
            transaction, study, rules, found.liver_enzymes, found.rows, found.clinical_terms
        )
        regrade_study(transaction, saved.study, graders)
    print(f"{study}: graded by {applied.label}")
