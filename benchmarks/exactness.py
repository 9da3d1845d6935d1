"""How many of three million boundary rows are graded wrongly, beside what binary floats get wrong.

``python -m benchmarks.exactness ROWS [ROWS_ONE_BY_ONE]``: rows of each edition.
"""

import sys
from collections.abc import Iterable, Iterator

from tests.grading import oracle
from tests.grading.both_graders import Found, by_column, one_by_one
from toxgrade.criteria.model import Edition
from toxgrade.grading.rules import Graders, Rules

_CHUNK = 250_000  # a million rows and their baselines at once would take 6 GB


def main(each: int = 1_000_000, one: int = 100_000) -> None:
    """Grade rows of every edition by column, one by one and in floats; compare with fractions."""
    graders = Graders(oracle.CRITERIA)
    print(
        "exactness: rows on a limit or one last digit beside it, with baselines, against fractions"
    )
    print(f"{'edition, reading':<34}{'rows':>11}{'gradings':>12}{'refused':>10}{'wrong':>8}")
    for edition in oracle.CRITERIA.editions.values():
        grader = graders.for_rules(Rules(edition.name))
        totals = {"column by column": [0] * 4, "one by one": [0] * 4, "64-bit floats": [0] * 4}
        for seed, size in enumerate([_CHUNK] * (each // _CHUNK) or [each]):
            rows = oracle.boundary_rows(edition, size, seed)
            some = rows[: max(one - seed * _CHUNK, 0)]
            _count(totals["column by column"], edition, len(rows), by_column(rows, grader))
            _count(totals["one by one"], edition, len(some), one_by_one(some, grader))
            _count(totals["64-bit floats"], edition, len(some), _floats(some, edition))
        for name, (count, graded, refused, wrong) in totals.items():
            label = f"{edition.name}, {name}"
            print(f"{label:<34}{count:>11,}{graded:>12,}{refused:>10,}{wrong:>8,}")


def _count(
    total: list[int], edition: Edition, rows: int, found: Iterable[Found[oracle.Row]]
) -> None:
    """Add rows, gradings, refusals and wrong grades."""
    total[0] += rows
    for one in found:
        if one.grade is None:
            total[2] += 1
            continue
        total[1] += 1
        total[3] += one.grade != oracle.expected(edition.name, one.row, one.term, own=one.own)


def _floats(rows: list[oracle.Row], edition: Edition) -> Iterator[Found[oracle.Row]]:
    """What most programs do, for terms without a baseline: every number a float."""
    for row in rows:
        units = oracle.CRITERIA.analytes[row.analyte]
        value, lln, uln = (float(text) for text in row.result)
        for term in edition.terms_of(row.analyte):
            if term.uses_baseline:
                continue
            grade = 0
            for number, read in oracle.limits(edition.name, term.name, row.analyte, row.unit):
                if read.reference is None:
                    factor = float(units.unit(read.unit or "").factor / units.unit(row.unit).factor)
                    bound = float(read.number) * factor
                else:
                    bound = float(read.number) * (uln if read.reference == "ULN" else lln)
                    bound += float(read.added)
                reached = value > bound if read.comparison[0] == ">" else value < bound
                if reached or ("=" in read.comparison and value == bound):
                    grade = max(grade, number)
            yield Found(row, term, False, grade, None, grade, grade)


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:]))
