"""The criteria files, as a person, CI and a start-up check them."""

from toxgrade.cli.arguments import Parser
from toxgrade.cli.editions import compare


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

    print("\n".join(describe(load())))


def page() -> None:
    """Print docs/criteria.md: the editions, and how their text is read where it leaves a choice."""
    from toxgrade.criteria.docs_page import page
    from toxgrade.criteria.reader import load

    print(page(load()), end="")
